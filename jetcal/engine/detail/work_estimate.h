// SPDX-License-Identifier: Apache-2.0
// How long a request will take, from what earlier ones took.
#pragma once

#include <chrono>
#include <cstdint>
#include <mutex>

namespace jetcal::engine::detail {

/// Knows which requests a thread may do itself: handing them to a worker costs waking it, and the
/// thread after it. Thread-safe.
class WorkEstimate {
 public:
  using Clock = std::chrono::steady_clock;

  /// Notes that a batch of so many input elements took so long.
  void add(std::int64_t elements, std::chrono::nanoseconds took);

  /// Tells whether a request of so many elements takes at most `limit`, as far as is known, and
  /// came at least as long after the one before: in a burst, requests are better batched.
  bool is_within(std::chrono::nanoseconds limit, std::int64_t elements, Clock::time_point arrived);

 private:
  std::mutex mutex_;                                                     // of all below
  std::chrono::nanoseconds shortest_ = std::chrono::nanoseconds::max();  // what any batch takes
  double per_element_ns_ = 0;                                            // of the last batch
  Clock::time_point last_arrival_;
};

}  // namespace jetcal::engine::detail
