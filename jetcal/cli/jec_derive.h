// SPDX-License-Identifier: Apache-2.0
// The parts of jetcal jec that derive corrections and measure their closure.
#pragma once

#include "jetcal/cli/jec_parts.h"

namespace jetcal::cli {

/// Adds `derive` to the verb jec.
JecPart add_jec_derive(CLI::App& jec, const CommonOptions& common);
/// Adds `closure` to the verb jec. Its exit status is 7 when a target is missed.
JecPart add_jec_closure(CLI::App& jec, const CommonOptions& common);

}  // namespace jetcal::cli
