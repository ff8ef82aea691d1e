// SPDX-License-Identifier: Apache-2.0
// Asks long work to stop cleanly when the process gets SIGINT or SIGTERM.
#pragma once

namespace jetcal {

/// Installs the handlers; a second signal ends the process at once.
void handle_stop_signals();

/// Tells whether a stop signal has come. Cheap; ask between units of work.
bool stop_requested() noexcept;

}  // namespace jetcal
