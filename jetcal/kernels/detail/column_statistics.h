// SPDX-License-Identifier: Apache-2.0
// What batch normalisation makes of the sums over its rows, forward and backward.
#pragma once

#include <cstdint>
#include <span>

#include "jetcal/kernels/shared_sums.h"

namespace jetcal::kernels::detail {

/// Holds one column's sums over `rows` rows: of x - shift and of its square.
struct ShiftedSums {
  std::int64_t rows;
  double shift, sum, squares;
};

/// Replaces the sums of all columns, over the same rows, by those over the rows of all workers,
/// around a shift of zero: the workers' shifts differ. Does nothing without `shared`.
void share(SharedSums* shared, std::span<ShiftedSums> columns);

/// Holds one column's sums over rows of g and of g (x - mean).
struct GradientSums {
  double sum, weighted;
};

/// Replaces the sums of all columns by those over the rows of all workers.
void share(SharedSums* shared, std::span<GradientSums> columns);

/// Writes mean and 1 / sqrt(biased variance + epsilon), and moves the running statistics as
/// batch_norm.h says; these may be null.
void finish_column(const ShiftedSums& sums, double epsilon, double momentum, float& mean,
                   float& inverse_deviation, float* running_mean, float* running_variance);

/// Holds one column's gradient: dL/dx = scale g - offset - slope (x - mean).
struct ColumnGradient {
  float offset, slope;
};

/// Takes the sums over `rows` rows of g and of g (x - mean).
ColumnGradient column_gradient(std::int64_t rows, double sum, double weighted, float gamma,
                               float inverse_deviation);

}  // namespace jetcal::kernels::detail
