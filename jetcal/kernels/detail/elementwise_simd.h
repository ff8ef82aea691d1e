// SPDX-License-Identifier: Apache-2.0
// The vector variant of elementwise.h, for any width.
#pragma once

#include "jetcal/kernels/detail/elementwise_kernels.h"
#include "jetcal/kernels/detail/simd.h"

namespace jetcal::kernels::detail {
namespace {

inline void relu_all(float* x, std::int64_t n) {
  std::int64_t i = 0;
  for (; i + kLanes <= n; i += kLanes) store(x + i, relu(load(x + i)));
  const Mask last = first_lanes(n - i);
  store(x + i, last, relu(load(x + i, last)));
}

inline void relu_gradient_all(const float* y, float* grad, std::int64_t n) {
  std::int64_t i = 0;
  for (; i + kLanes <= n; i += kLanes) {
    store(grad + i, relu_gradient(load(y + i), load(grad + i)));
  }
  const Mask last = first_lanes(n - i);
  store(grad + i, last, relu_gradient(load(y + i, last), load(grad + i, last)));
}

inline void add_all(const float* x, float* y, std::int64_t n) {
  std::int64_t i = 0;
  for (; i + kLanes <= n; i += kLanes) store(y + i, add(load(y + i), load(x + i)));
  const Mask last = first_lanes(n - i);
  store(y + i, last, add(load(y + i, last), load(x + i, last)));
}

}  // namespace
}  // namespace jetcal::kernels::detail
