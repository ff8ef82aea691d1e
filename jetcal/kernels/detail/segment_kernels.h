// SPDX-License-Identifier: Apache-2.0
// The variants behind segment.h: raw pointers, segments [begin, end).
#pragma once

#include <cstdint>

namespace jetcal::kernels::detail {

struct SegmentKernels {
  void (*sum)(const float* x, const std::int64_t* offsets, std::int64_t begin, std::int64_t end,
              std::int64_t channels, bool mean, float* y);
  void (*backward)(const float* grad_y, const std::int64_t* offsets, std::int64_t begin,
                   std::int64_t end, std::int64_t channels, bool mean, float* grad_x);
};

extern const SegmentKernels kSegmentRef, kSegmentAvx2, kSegmentAvx512;

}  // namespace jetcal::kernels::detail
