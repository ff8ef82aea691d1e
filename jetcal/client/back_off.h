// SPDX-License-Identifier: Apache-2.0
// How long to wait before a request is tried again.
#pragma once

#include <chrono>
#include <optional>

#include "jetcal/base/random.h"
#include "jetcal/client/client_options.h"

namespace jetcal::client {

/// Returns the pause after the failed attempt number `attempt` (1 is the first).
///
/// It doubles from first_pause up to longest_pause, and its second half is left to chance, so that
/// clients that were refused together do not come back together. What the server asks for
/// (Retry-After) is waited for even when that is longer.
std::chrono::milliseconds pause_after(const RetryOptions& options, int attempt,
                                      std::optional<std::chrono::milliseconds> retry_after,
                                      Rng& rng);

}  // namespace jetcal::client
