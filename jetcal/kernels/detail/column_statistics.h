// SPDX-License-Identifier: Apache-2.0
// What batch normalisation makes of the sums over its rows, forward and backward.
#pragma once

#include <cstdint>
#include <span>

namespace jetcal::kernels::detail {

/// Holds one column's sums over `rows` rows: of x - shift and of its square.
struct ShiftedSums {
  std::int64_t rows;
  double shift, sum, squares;
};

/// Writes mean and 1 / sqrt(biased variance + epsilon), and moves the running statistics as
/// batch_norm.h says; these may be null.
void finish_column(const ShiftedSums& sums, double epsilon, double momentum, float& mean,
                   float& inverse_deviation, float* running_mean, float* running_variance);

/// Holds one column's gradient: dL/dx = scale g - offset - slope (x - mean).
struct ColumnGradient {
  float grad_scale, grad_shift;  ///< Of gamma and beta.
  float offset, slope;
};

/// Takes the sums over `rows` rows of g and of g (x - mean).
ColumnGradient column_gradient(std::int64_t rows, double sum, double weighted, float gamma,
                               float inverse_deviation);

}  // namespace jetcal::kernels::detail
