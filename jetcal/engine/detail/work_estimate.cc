// SPDX-License-Identifier: Apache-2.0
#include "jetcal/engine/detail/work_estimate.h"

#include <algorithm>
#include <utility>

namespace jetcal::engine::detail {

void WorkEstimate::add(std::int64_t elements, std::chrono::nanoseconds took) {
  const std::lock_guard lock(mutex_);
  shortest_ = std::min(shortest_, took);
  per_element_ns_ =
      static_cast<double>(took.count()) / static_cast<double>(std::max<std::int64_t>(elements, 1));
}

bool WorkEstimate::is_within(std::chrono::nanoseconds limit, std::int64_t elements,
                             Clock::time_point arrived) {
  const std::lock_guard lock(mutex_);
  const Clock::duration gap = arrived - std::exchange(last_arrival_, arrived);
  if (shortest_ > limit) return false;
  const auto expected = std::max<std::chrono::nanoseconds>(
      shortest_, std::chrono::nanoseconds(
                     static_cast<std::int64_t>(per_element_ns_ * static_cast<double>(elements))));
  return expected <= limit && gap >= expected;
}

}  // namespace jetcal::engine::detail
