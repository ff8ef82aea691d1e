// SPDX-License-Identifier: Apache-2.0
// The vector variant of edge.h, for any width.
#pragma once

#include "jetcal/kernels/detail/edge_kernels.h"
#include "jetcal/kernels/detail/row_sums_simd.h"

namespace jetcal::kernels::detail {
namespace {

template <bool kRelu>
void add_row(const float* center, const float* neighbor, std::int64_t channels, Mask last,
             float* z) {
  std::int64_t c = 0;
  for (; c + kLanes <= channels; c += kLanes) {
    const Lanes sum = add(load(center + c), load(neighbor + c));
    store(z + c, kRelu ? relu(sum) : sum);
  }
  if (c == channels) return;
  const Lanes sum = add(load(center + c, last), load(neighbor + c, last));
  store(z + c, last, kRelu ? relu(sum) : sum);
}

inline void edge_sums(const float* center, const float* neighbor, const std::int64_t* offsets,
                      const std::int32_t* targets, std::int64_t begin, std::int64_t end,
                      std::int64_t channels, bool relu, float* z) {
  const Mask last = first_lanes(channels % kLanes);
  for (std::int64_t i = begin; i < end; ++i) {
    const float* own = center + i * channels;
    for (std::int64_t e = offsets[i]; e < offsets[i + 1]; ++e) {
      const float* other = neighbor + targets[e] * channels;
      if (relu) {
        add_row<true>(own, other, channels, last, z + e * channels);
      } else {
        add_row<false>(own, other, channels, last, z + e * channels);
      }
    }
  }
}

inline void edge_gather_sums(const float* x, const std::int64_t* offsets, const std::int64_t* edges,
                             std::int64_t begin, std::int64_t end, std::int64_t channels,
                             float* y) {
  for (std::int64_t j = begin; j < end; ++j) {
    sum_rows(
        {x, edges + offsets[j], offsets[j + 1] - offsets[j], channels, 1.0F, y + j * channels});
  }
}

}  // namespace
}  // namespace jetcal::kernels::detail
