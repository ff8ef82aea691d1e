// SPDX-License-Identifier: Apache-2.0
#include "jetcal/kernels/detail/column_statistics.h"

#include <algorithm>
#include <cmath>
#include <vector>

namespace jetcal::kernels::detail {

void share(SharedSums* shared, std::span<ShiftedSums> columns) {
  if (shared == nullptr || columns.empty()) return;
  std::vector<double> values{static_cast<double>(columns.front().rows)};
  for (const ShiftedSums& column : columns) {
    const double of_shift = static_cast<double>(column.rows) * column.shift;
    values.push_back(column.sum + of_shift);
    values.push_back(column.squares + column.shift * (2 * column.sum + of_shift));
  }
  shared->add_up(values);
  for (std::size_t c = 0; c < columns.size(); ++c) {
    columns[c] = {static_cast<std::int64_t>(values.front()), 0, values[1 + 2 * c],
                  values[2 + 2 * c]};
  }
}

void share(SharedSums* shared, std::span<GradientSums> columns) {
  if (shared == nullptr) return;
  std::vector<double> values;
  for (const GradientSums& column : columns) {
    values.push_back(column.sum);
    values.push_back(column.weighted);
  }
  shared->add_up(values);
  for (std::size_t c = 0; c < columns.size(); ++c) {
    columns[c] = {values[2 * c], values[2 * c + 1]};
  }
}

void finish_column(const ShiftedSums& sums, double epsilon, double momentum, float& mean,
                   float& inverse_deviation, float* running_mean, float* running_variance) {
  const auto count = static_cast<double>(std::max<std::int64_t>(sums.rows, 1));
  const double shifted = sums.sum / count;
  const double variance = std::max(0.0, sums.squares / count - shifted * shifted);
  mean = sums.rows == 0 ? 0 : static_cast<float>(sums.shift + shifted);
  inverse_deviation = static_cast<float>(1 / std::sqrt(variance + epsilon));
  if (running_mean == nullptr || sums.rows == 0) return;
  *running_mean =
      static_cast<float>((1 - momentum) * *running_mean + momentum * (sums.shift + shifted));
  if (sums.rows == 1) return;
  const double unbiased = variance * count / (count - 1);
  *running_variance = static_cast<float>((1 - momentum) * *running_variance + momentum * unbiased);
}

ColumnGradient column_gradient(std::int64_t rows, double sum, double weighted, float gamma,
                               float inverse_deviation) {
  // dL/dx = scale (g - mean(g) - xhat mean(g xhat)), xhat = (x - mean) inverse_deviation.
  const double inverse = inverse_deviation;
  const double scale = gamma * inverse_deviation;  // in float, as forward uses it
  const auto count = static_cast<double>(std::max<std::int64_t>(rows, 1));
  return {static_cast<float>(scale * sum / count),
          static_cast<float>(scale * weighted * inverse * inverse / count)};
}

}  // namespace jetcal::kernels::detail
