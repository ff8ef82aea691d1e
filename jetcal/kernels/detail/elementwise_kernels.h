// SPDX-License-Identifier: Apache-2.0
// The variants behind elementwise.h: raw pointers, n elements.
#pragma once

#include <cstdint>

namespace jetcal::kernels::detail {

struct ElementwiseKernels {
  void (*relu)(float* x, std::int64_t n);
  void (*relu_backward)(const float* y, float* grad, std::int64_t n);
  void (*add)(const float* x, float* y, std::int64_t n);
};

extern const ElementwiseKernels kElementwiseRef, kElementwiseAvx2, kElementwiseAvx512;

}  // namespace jetcal::kernels::detail
