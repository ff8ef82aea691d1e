// SPDX-License-Identifier: Apache-2.0
// Lets SIGHUP ask a server to read its files again.
#pragma once

namespace jetcal {

/// Installs the handler; without it SIGHUP ends the process.
void handle_reload_signal();

/// Tells whether a SIGHUP has come since the last call.
bool take_reload_request() noexcept;

}  // namespace jetcal
