// SPDX-License-Identifier: Apache-2.0
// The vector variant of layer_norm.h, for any width.
#pragma once

#include "jetcal/kernels/detail/layer_norm_kernels.h"
#include "jetcal/kernels/detail/simd_math.h"

namespace jetcal::kernels::detail {
namespace {

/// Reads and writes a whole vector.
struct WholeVector {
  Lanes read(const float* p) const { return load(p); }
  void write(float* p, Lanes x) const { store(p, x); }
  Lanes keep(Lanes x) const { return x; }
};

/// Reads and writes the first lanes; keep() zeroes the others.
struct PartOfVector {
  Mask mask;
  Lanes read(const float* p) const { return load(p, mask); }
  void write(float* p, Lanes x) const { store(p, mask, x); }
  Lanes keep(Lanes x) const { return select(mask, x, zero()); }
};

/// Calls body(column, WholeVector or PartOfVector) for the vectors of a row.
template <typename Body>
inline void for_columns(std::int64_t channels, Body body) {
  std::int64_t c = 0;
  for (; c + kLanes <= channels; c += kLanes) body(c, WholeVector{});
  if (c < channels) body(c, PartOfVector{first_lanes(channels - c)});
}

inline void normalise_row(const LayerNormRows& norm, std::int64_t row) {
  const float* x = norm.x + row * norm.x_stride;
  float* y = norm.y + row * norm.y_stride;
  const float count = static_cast<float>(norm.channels);
  Lanes sum = zero();
  for_columns(norm.channels, [&](std::int64_t c, auto part) { sum = add(sum, part.read(x + c)); });
  const float mean = sum_lanes(sum) / count;
  const Lanes center = broadcast(mean);
  Lanes squares = zero();
  for_columns(norm.channels, [&](std::int64_t c, auto part) {
    const Lanes centered = part.keep(subtract(part.read(x + c), center));
    squares = fma(centered, centered, squares);
  });
  const float variance = sum_lanes(squares) / count;
  const float inverse =
      _mm_cvtss_f32(_mm_div_ss(_mm_set_ss(1.0F), _mm_sqrt_ss(_mm_set_ss(variance + norm.epsilon))));
  const Lanes scale = broadcast(inverse);
  for_columns(norm.channels, [&](std::int64_t c, auto part) {
    Lanes value = multiply(subtract(part.read(x + c), center), scale);
    if (norm.gamma != nullptr) {
      value = fma(value, part.read(norm.gamma + c), part.read(norm.beta + c));
    }
    part.write(y + c, value);
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
  for_columns(gradient.channels, [&](std::int64_t c, auto part) {
    const Lanes grad = part.read(grad_y + c);
    const Lanes normal = multiply(subtract(part.read(x + c), mean), scale);
    const Lanes product = multiply(grad, normal);
    const Lanes gamma = part.read(gradient.gamma + c);
    sum = fma(grad, gamma, sum);
    weighted = fma(product, gamma, weighted);
    part.write(gradient.gamma_sums + c, add(part.read(gradient.gamma_sums + c), product));
    part.write(gradient.beta_sums + c, add(part.read(gradient.beta_sums + c), grad));
  });
  const float share = 1.0F / static_cast<float>(gradient.channels);
  const Lanes offset = broadcast(sum_lanes(sum) * share);
  const Lanes slope = broadcast(sum_lanes(weighted) * share);
  for_columns(gradient.channels, [&](std::int64_t c, auto part) {
    const Lanes normal = multiply(subtract(part.read(x + c), mean), scale);
    const Lanes own =
        fma(part.read(grad_y + c), part.read(gradient.gamma + c), subtract(zero(), offset));
    Lanes value = multiply(minus_product(normal, slope, own), scale);
    if (gradient.residual != nullptr) {
      value = add(value, part.read(gradient.residual + first + c));
    }
    part.write(gradient.grad_x + first + c, value);
  });
}

inline void gradient_rows(const LayerNormGradient& gradient) {
  for (std::int64_t row = 0; row < gradient.rows; ++row) gradient_row(gradient, row);
}

}  // namespace
}  // namespace jetcal::kernels::detail
