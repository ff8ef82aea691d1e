// SPDX-License-Identifier: Apache-2.0
// How far a product of quantised rows and weights may be from the exact one.
#pragma once

#include <algorithm>
#include <cmath>
#include <span>

#include "jetcal/kernels/precision.h"

namespace jetcal::kernels {

/// Bounds the error of sum_k relu(x_k) w_k that comes from rounding x to levels of bound / most and
/// w to its own. A level may be off by a whole step: its input was rounded, too.
inline double quantisation_error(Precision precision, std::span<const float> x,
                                 std::span<const float> weight, double bound) {
  double largest = 0;
  double size = 0;
  double sum = 0;
  double product = 0;
  for (std::size_t k = 0; k < weight.size(); ++k) {
    const double w = std::abs(static_cast<double>(weight[k]));
    const double value = std::max(x[k], 0.0F);
    largest = std::max(largest, w);
    size += w;
    sum += value;
    product += value * w;
  }
  if (precision == Precision::Float32) return 0;
  if (precision == Precision::Bfloat16) return product * (2 * 0x1.0p-8 + 0x1.0p-16);
  const bool bytes = precision == Precision::Int8;
  const double most = bytes ? 127 : 8191;
  // Sums of levels times weights stay below 2^31.
  const double int16_levels =
      std::min(32767 / largest, (0x1.0p31 / 8192 - 0.5 * static_cast<double>(x.size())) / size);
  const double weight_step = bytes ? largest / 64 : 1 / int16_levels;
  const auto count = static_cast<double>(x.size());
  return size * bound / most + sum * weight_step / 2 + count * bound / most * weight_step / 2;
}

}  // namespace jetcal::kernels
