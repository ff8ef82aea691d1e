// SPDX-License-Identifier: Apache-2.0
// Times the parts of a run.
#pragma once

#include <chrono>
#include <cstdint>
#include <utility>

namespace jetcal::engine::detail {

class Stopwatch {
 public:
  /// Returns the nanoseconds since the last lap, or since construction.
  std::int64_t lap() {
    const auto now = std::chrono::steady_clock::now();
    return std::chrono::nanoseconds(now - std::exchange(last_, now)).count();
  }

 private:
  std::chrono::steady_clock::time_point last_ = std::chrono::steady_clock::now();
};

}  // namespace jetcal::engine::detail
