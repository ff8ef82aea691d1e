// SPDX-License-Identifier: Apache-2.0
// Cuts a range into as many parts as there are workers, as even as possible.
#pragma once

#include <cstdint>

namespace jetcal::workers {

/// Holds [begin, end).
struct Slice {
  std::int64_t begin = 0, end = 0;
  std::int64_t size() const noexcept { return end - begin; }
  bool operator==(const Slice&) const = default;
};

/// Returns part `index` of `parts` of [0, count); parts may be empty where count is small.
inline Slice slice_of(std::int64_t count, std::int64_t index, std::int64_t parts) noexcept {
  return {count * index / parts, count * (index + 1) / parts};
}

}  // namespace jetcal::workers
