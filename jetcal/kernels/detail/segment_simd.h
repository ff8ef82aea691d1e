// SPDX-License-Identifier: Apache-2.0
// The vector variant of segment.h, for any width.
#pragma once

#include "jetcal/kernels/detail/row_sums_simd.h"
#include "jetcal/kernels/detail/segment_kernels.h"

namespace jetcal::kernels::detail {
namespace {

inline void segment_sums(const float* x, const std::int64_t* offsets, std::int64_t begin,
                         std::int64_t end, std::int64_t channels, bool mean, float* y) {
  for (std::int64_t j = begin; j < end; ++j) {
    const std::int64_t rows = offsets[j + 1] - offsets[j];
    const float divisor = mean && rows > 0 ? static_cast<float>(rows) : 1.0F;
    sum_rows({x + offsets[j] * channels, rows, channels, divisor, y + j * channels});
  }
}

inline void segment_gradients(const float* grad_y, const std::int64_t* offsets, std::int64_t begin,
                              std::int64_t end, std::int64_t channels, bool mean, float* grad_x) {
  const std::int64_t full = channels / kLanes * kLanes;
  const Mask mask = first_lanes(channels - full);
  for (std::int64_t j = begin; j < end; ++j) {
    const std::int64_t rows = offsets[j + 1] - offsets[j];
    const Lanes divisor = broadcast(mean ? static_cast<float>(rows) : 1.0F);
    const float* grad = grad_y + j * channels;
    float* out = grad_x + offsets[j] * channels;
    for (std::int64_t c = 0; c < full; c += kLanes) {
      const Lanes share = divide(load(grad + c), divisor);
      for (std::int64_t r = 0; r < rows; ++r) store(out + r * channels + c, share);
    }
    if (full == channels) continue;
    const Lanes share = divide(load(grad + full, mask), divisor);
    for (std::int64_t r = 0; r < rows; ++r) store(out + r * channels + full, mask, share);
  }
}

}  // namespace
}  // namespace jetcal::kernels::detail
