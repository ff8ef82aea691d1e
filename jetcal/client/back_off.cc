// SPDX-License-Identifier: Apache-2.0
#include "jetcal/client/back_off.h"

#include <algorithm>

namespace jetcal::client {

std::chrono::milliseconds pause_after(const RetryOptions& options, int attempt,
                                      std::optional<std::chrono::milliseconds> retry_after,
                                      Rng& rng) {
  constexpr int kMaxDoublings = 30;  // far beyond any longest_pause, and no overflow
  const auto doublings = static_cast<unsigned>(std::clamp(attempt - 1, 0, kMaxDoublings));
  const std::int64_t full = std::min<std::int64_t>(options.first_pause.count() << doublings,
                                                   options.longest_pause.count());
  const std::int64_t chance =
      full > 1 ? static_cast<std::int64_t>(rng.below(static_cast<std::uint64_t>(full / 2 + 1))) : 0;
  const std::chrono::milliseconds pause(full - full / 2 + chance);
  if (!retry_after) return pause;
  // The part left to chance comes on top: the server has told everybody the same time.
  return std::max(pause, *retry_after + std::chrono::milliseconds(chance));
}

}  // namespace jetcal::client
