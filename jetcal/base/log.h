// SPDX-License-Identifier: Apache-2.0
// Log lines on standard error. Libraries do not print; the cli, workers and servers do.
#pragma once

#include <spdlog/spdlog.h>

namespace jetcal {

/// Sends log lines to standard error as "HH:MM:SS level text"; level from
/// JETCAL_LOG=debug|info|warn|error, default info.
void set_up_logging();

}  // namespace jetcal
