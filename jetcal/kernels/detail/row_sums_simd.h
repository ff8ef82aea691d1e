// SPDX-License-Identifier: Apache-2.0
// Adds up consecutive rows, column by column in registers.
#pragma once

#include <cstdint>

#include "jetcal/kernels/detail/simd.h"

namespace jetcal::kernels::detail {
namespace {

/// Asks for y = (sum of `count` rows of x) / divisor.
struct RowSum {
  const float* x;
  std::int64_t count, channels;
  float divisor;
  float* y;
};

template <int kVectors>
void sum_full_columns(const RowSum& sum, std::int64_t column) {
  Lanes total[kVectors];
  for (Lanes& lanes : total) lanes = zero();
  for (std::int64_t r = 0; r < sum.count; ++r) {
    const float* row = sum.x + r * sum.channels + column;
    for (int v = 0; v < kVectors; ++v) total[v] = add(total[v], load(row + v * kLanes));
  }
  const Lanes divisor = broadcast(sum.divisor);
  for (int v = 0; v < kVectors; ++v) {
    store(sum.y + column + v * kLanes, divide(total[v], divisor));
  }
}

inline void sum_last_columns(const RowSum& sum, std::int64_t column) {
  const Mask mask = first_lanes(sum.channels - column);
  Lanes total = zero();
  for (std::int64_t r = 0; r < sum.count; ++r) {
    total = add(total, load(sum.x + r * sum.channels + column, mask));
  }
  store(sum.y + column, mask, divide(total, broadcast(sum.divisor)));
}

inline void sum_rows(const RowSum& sum) {
  std::int64_t column = 0;
  for (; column + 4 * kLanes <= sum.channels; column += 4 * kLanes) {
    sum_full_columns<4>(sum, column);
  }
  for (; column + kLanes <= sum.channels; column += kLanes) sum_full_columns<1>(sum, column);
  if (column < sum.channels) sum_last_columns(sum, column);
}

}  // namespace
}  // namespace jetcal::kernels::detail
