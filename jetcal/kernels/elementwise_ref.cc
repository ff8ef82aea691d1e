// SPDX-License-Identifier: Apache-2.0
#include "jetcal/kernels/detail/elementwise_kernels.h"

namespace jetcal::kernels::detail {
namespace {

void relu(float* x, std::int64_t n) {
  for (std::int64_t i = 0; i < n; ++i) x[i] = x[i] < 0 ? 0 : x[i];
}

void relu_backward(const float* y, float* grad, std::int64_t n) {
  for (std::int64_t i = 0; i < n; ++i) grad[i] = y[i] <= 0 ? 0 : grad[i];
}

void add(const float* x, float* y, std::int64_t n) {
  for (std::int64_t i = 0; i < n; ++i) y[i] += x[i];
}

}  // namespace

const ElementwiseKernels kElementwiseRef{relu, relu_backward, add};

}  // namespace jetcal::kernels::detail
