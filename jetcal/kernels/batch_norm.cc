// SPDX-License-Identifier: Apache-2.0
#include "jetcal/kernels/batch_norm.h"

#include <algorithm>
#include <vector>

#include "jetcal/base/error.h"
#include "jetcal/base/threads.h"
#include "jetcal/kernels/detail/column_kernels.h"
#include "jetcal/kernels/detail/column_statistics.h"
#include "jetcal/kernels/detail/dispatch.h"

namespace jetcal::kernels {
namespace {

const detail::ColumnKernels& variant() {
  return detail::pick(kernel_isa(), detail::kColumnRef, detail::kColumnAvx2, detail::kColumnAvx512);
}

// Holds two sums per column, added up in double over blocks that depend on the rows' number alone.
struct ColumnSums {
  std::vector<double> first, second;
};

// Calls part(first_row, rows, sums, other_sums) for every block and adds the results up in order.
template <typename Part>
ColumnSums sum_blocks(std::int64_t rows, std::int64_t channels, Part part) {
  constexpr std::int64_t kMaxBlocks = 64;
  constexpr std::int64_t kMinRows = 1024;
  const std::int64_t step = std::max(kMinRows, (rows + kMaxBlocks - 1) / kMaxBlocks);
  const std::int64_t blocks = (rows + step - 1) / step;
  std::vector<double> parts(static_cast<std::size_t>(2 * blocks * channels));
  parallel_for(blocks, 1, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t block = begin; block < end; ++block) {
      double* sums = parts.data() + 2 * block * channels;
      part(block * step, std::min(step, rows - block * step), sums, sums + channels);
    }
  });
  ColumnSums total{std::vector<double>(static_cast<std::size_t>(channels)),
                   std::vector<double>(static_cast<std::size_t>(channels))};
  for (std::int64_t block = 0; block < blocks; ++block) {
    for (std::int64_t c = 0; c < channels; ++c) {
      total.first[c] += parts[2 * block * channels + c];
      total.second[c] += parts[(2 * block + 1) * channels + c];
    }
  }
  return total;
}

std::vector<float> scales(std::span<const float> gamma, std::span<const float> inverse_deviation) {
  std::vector<float> scale(gamma.size());
  for (std::size_t c = 0; c < scale.size(); ++c) scale[c] = gamma[c] * inverse_deviation[c];
  return scale;
}

}  // namespace

std::int64_t batch_norm_forward(std::span<const float> x, std::int64_t channels,
                                std::span<const float> gamma, std::span<const float> beta,
                                const BatchNormOptions& options, std::span<float> y,
                                std::span<float> mean, std::span<float> inverse_deviation,
                                std::span<float> running_mean, std::span<float> running_variance) {
  JETCAL_DCHECK(channels >= 1 && std::ssize(x) % channels == 0 && y.size() == x.size());
  JETCAL_DCHECK(std::ssize(gamma) == channels && std::ssize(beta) == channels);
  JETCAL_DCHECK(std::ssize(mean) == channels && std::ssize(inverse_deviation) == channels);
  JETCAL_DCHECK(running_mean.size() == running_variance.size());
  const std::int64_t rows = std::ssize(x) / channels;
  const auto& kernels = variant();
  // The first row as shift keeps the squares small when the mean is far from zero.
  const float* shift = x.data();
  const ColumnSums sums = sum_blocks(
      rows, channels, [&](std::int64_t row, std::int64_t count, double* sum, double* squares) {
        kernels.moments(x.data() + row * channels, count, channels, shift, sum, squares);
      });
  std::vector<detail::ShiftedSums> columns;
  for (std::int64_t c = 0; c < channels; ++c) {
    columns.push_back({rows, rows == 0 ? 0.0 : shift[c], sums.first[c], sums.second[c]});
  }
  detail::share(options.shared, columns);
  for (std::int64_t c = 0; c < channels; ++c) {
    detail::finish_column(columns[c], options.epsilon, options.momentum, mean[c],
                          inverse_deviation[c], running_mean.empty() ? nullptr : &running_mean[c],
                          running_variance.empty() ? nullptr : &running_variance[c]);
  }
  const std::vector<float> scale = scales(gamma, inverse_deviation);
  parallel_for(rows, detail::row_grain(channels), [&](std::int64_t begin, std::int64_t end) {
    kernels.normalise(x.data() + begin * channels, end - begin, channels, mean.data(), scale.data(),
                      beta.data(), options.activation == Activation::Relu,
                      y.data() + begin * channels);
  });
  return columns.front().rows;
}

void batch_norm_backward(std::span<const float> x, std::span<const float> grad_y,
                         std::int64_t channels, std::span<const float> gamma,
                         std::span<const float> beta, std::span<const float> mean,
                         std::span<const float> inverse_deviation, Activation activation,
                         std::span<float> grad_x, std::span<float> grad_gamma,
                         std::span<float> grad_beta, SharedSums* shared, std::int64_t all_rows) {
  JETCAL_DCHECK(channels >= 1 && std::ssize(x) % channels == 0);
  JETCAL_DCHECK(grad_y.size() == x.size() && grad_x.size() == x.size());
  JETCAL_DCHECK(std::ssize(grad_gamma) == channels && std::ssize(grad_beta) == channels);
  const std::int64_t rows = std::ssize(x) / channels;
  const bool relu = activation == Activation::Relu;
  const auto& kernels = variant();
  const std::vector<float> scale = scales(gamma, inverse_deviation);
  const ColumnSums sums = sum_blocks(
      rows, channels, [&](std::int64_t row, std::int64_t count, double* sum, double* weighted) {
        kernels.backward_sums(x.data() + row * channels, grad_y.data() + row * channels, count,
                              channels, mean.data(), scale.data(), beta.data(), relu, sum,
                              weighted);
      });
  std::vector<float> offset(static_cast<std::size_t>(channels));
  std::vector<float> slope(static_cast<std::size_t>(channels));
  std::vector<detail::GradientSums> columns;
  for (std::int64_t c = 0; c < channels; ++c) {
    columns.push_back({sums.first[c], sums.second[c]});
    grad_beta[c] = static_cast<float>(sums.first[c]);
    grad_gamma[c] = static_cast<float>(sums.second[c] * inverse_deviation[c]);
  }
  detail::share(shared, columns);
  for (std::int64_t c = 0; c < channels; ++c) {
    const detail::ColumnGradient gradient =
        detail::column_gradient(shared == nullptr ? rows : all_rows, columns[c].sum,
                                columns[c].weighted, gamma[c], inverse_deviation[c]);
    offset[c] = gradient.offset;
    slope[c] = gradient.slope;
  }
  parallel_for(rows, detail::row_grain(channels), [&](std::int64_t begin, std::int64_t end) {
    kernels.backward_apply(x.data() + begin * channels, grad_y.data() + begin * channels,
                           end - begin, channels, mean.data(), scale.data(), beta.data(), relu,
                           offset.data(), slope.data(), grad_x.data() + begin * channels);
  });
}

}  // namespace jetcal::kernels
