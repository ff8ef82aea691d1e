// SPDX-License-Identifier: Apache-2.0
// The variants behind edge.h: raw pointers, particles [begin, end).
#pragma once

#include <cstdint>

namespace jetcal::kernels::detail {

struct EdgeKernels {
  void (*add)(const float* center, const float* neighbor, const std::int64_t* offsets,
              const std::int32_t* targets, std::int64_t begin, std::int64_t end,
              std::int64_t channels, bool relu, float* z);
  /// y_j = sum of the rows x[edges[r]] for r in offsets[j]..offsets[j + 1].
  void (*gather_sum)(const float* x, const std::int64_t* offsets, const std::int64_t* edges,
                     std::int64_t begin, std::int64_t end, std::int64_t channels, float* y);
};

extern const EdgeKernels kEdgeRef, kEdgeAvx2, kEdgeAvx512;

}  // namespace jetcal::kernels::detail
