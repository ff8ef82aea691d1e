// SPDX-License-Identifier: Apache-2.0
// The vector variant of layer_norm.h, for any width.
#pragma once

#include "jetcal/kernels/detail/layer_norm_kernels.h"
#include "jetcal/kernels/detail/simd_math.h"

namespace jetcal::kernels::detail {
namespace {

/// Calls body(column, mask) for the vectors of a row.
template <typename Body>
inline void for_columns(std::int64_t channels, Body body) {
  const Mask all = first_lanes(kLanes);
  std::int64_t c = 0;
  for (; c + kLanes <= channels; c += kLanes) body(c, all);
  if (c < channels) body(c, first_lanes(channels - c));
}

inline void normalise_row(const LayerNormRows& norm, std::int64_t row) {
  const float* x = norm.x + row * norm.x_stride;
  float* y = norm.y + row * norm.y_stride;
  const float count = static_cast<float>(norm.channels);
  Lanes sum = zero();
  for_columns(norm.channels, [&](std::int64_t c, Mask mask) { sum = add(sum, load(x + c, mask)); });
  const float mean = sum_lanes(sum) / count;
  const Lanes center = broadcast(mean);
  Lanes squares = zero();
  for_columns(norm.channels, [&](std::int64_t c, Mask mask) {
    const Lanes centered = select(mask, subtract(load(x + c, mask), center), zero());
    squares = fma(centered, centered, squares);
  });
  const float variance = sum_lanes(squares) / count;
  const float inverse =
      _mm_cvtss_f32(_mm_div_ss(_mm_set_ss(1.0F), _mm_sqrt_ss(_mm_set_ss(variance + norm.epsilon))));
  const Lanes scale = broadcast(inverse);
  for_columns(norm.channels, [&](std::int64_t c, Mask mask) {
    Lanes value = multiply(subtract(load(x + c, mask), center), scale);
    if (norm.gamma != nullptr) {
      value = fma(value, load(norm.gamma + c, mask), load(norm.beta + c, mask));
    }
    store(y + c, mask, value);
  });
  if (norm.mean != nullptr) norm.mean[row] = mean;
  if (norm.inverse_deviation != nullptr) norm.inverse_deviation[row] = inverse;
}

inline void normalise_rows(const LayerNormRows& norm) {
  for (std::int64_t row = 0; row < norm.rows; ++row) normalise_row(norm, row);
}

// With g = grad_y gamma and z the normalised row: grad_x = (g - mean(g) - z mean(g z)) / deviation.
inline void gradient_row(const LayerNormGradient& gradient, std::int64_t row) {
  const std::int64_t first = row * gradient.channels;
  const float* x = gradient.x + first;
  const float* grad_y = gradient.grad_y + first;
  const Lanes mean = broadcast(gradient.mean[row]);
  const Lanes scale = broadcast(gradient.inverse_deviation[row]);
  Lanes sum = zero();
  Lanes weighted = zero();
  for_columns(gradient.channels, [&](std::int64_t c, Mask mask) {
    const Lanes grad = load(grad_y + c, mask);
    const Lanes normal = multiply(subtract(load(x + c, mask), mean), scale);
    const Lanes product = multiply(grad, normal);
    const Lanes gamma = load(gradient.gamma + c, mask);
    sum = fma(grad, gamma, sum);
    weighted = fma(product, gamma, weighted);
    store(gradient.gamma_sums + c, mask, add(load(gradient.gamma_sums + c, mask), product));
    store(gradient.beta_sums + c, mask, add(load(gradient.beta_sums + c, mask), grad));
  });
  const float share = 1.0F / static_cast<float>(gradient.channels);
  const Lanes offset = broadcast(sum_lanes(sum) * share);
  const Lanes slope = broadcast(sum_lanes(weighted) * share);
  for_columns(gradient.channels, [&](std::int64_t c, Mask mask) {
    const Lanes normal = multiply(subtract(load(x + c, mask), mean), scale);
    const Lanes own =
        fma(load(grad_y + c, mask), load(gradient.gamma + c, mask), subtract(zero(), offset));
    Lanes value = multiply(minus_product(normal, slope, own), scale);
    if (gradient.residual != nullptr) {
      value = add(value, load(gradient.residual + first + c, mask));
    }
    store(gradient.grad_x + first + c, mask, value);
  });
}

inline void gradient_rows(const LayerNormGradient& gradient) {
  for (std::int64_t row = 0; row < gradient.rows; ++row) gradient_row(gradient, row);
}

}  // namespace
}  // namespace jetcal::kernels::detail
