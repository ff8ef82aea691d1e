// SPDX-License-Identifier: Apache-2.0
#include <cmath>

#include "jetcal/kernels/detail/layer_norm_kernels.h"

namespace jetcal::kernels::detail {
namespace {

void forward(const LayerNormRows& norm) {
  for (std::int64_t row = 0; row < norm.rows; ++row) {
    const float* x = norm.x + row * norm.x_stride;
    double mean = 0;
    for (std::int64_t c = 0; c < norm.channels; ++c) mean += x[c];
    mean /= static_cast<double>(norm.channels);
    double variance = 0;
    for (std::int64_t c = 0; c < norm.channels; ++c) variance += (x[c] - mean) * (x[c] - mean);
    variance /= static_cast<double>(norm.channels);
    const double inverse = 1 / std::sqrt(variance + static_cast<double>(norm.epsilon));
    for (std::int64_t c = 0; c < norm.channels; ++c) {
      double value = (x[c] - mean) * inverse;
      if (norm.gamma != nullptr) value = norm.gamma[c] * value + norm.beta[c];
      norm.y[row * norm.y_stride + c] = static_cast<float>(value);
    }
    if (norm.mean != nullptr) norm.mean[row] = static_cast<float>(mean);
    if (norm.inverse_deviation != nullptr) {
      norm.inverse_deviation[row] = static_cast<float>(inverse);
    }
  }
}

void backward(const LayerNormGradient& gradient) {
  const std::int64_t channels = gradient.channels;
  for (std::int64_t row = 0; row < gradient.rows; ++row) {
    const float* x = gradient.x + row * channels;
    const float* grad_y = gradient.grad_y + row * channels;
    const double scale = gradient.inverse_deviation[row];
    const auto normal = [&](std::int64_t c) {
      return (static_cast<double>(x[c]) - gradient.mean[row]) * scale;
    };
    double sum = 0;
    double weighted = 0;
    for (std::int64_t c = 0; c < channels; ++c) {
      const double grad = grad_y[c];
      sum += grad * gradient.gamma[c];
      weighted += grad * gradient.gamma[c] * normal(c);
      gradient.gamma_sums[c] = static_cast<float>(gradient.gamma_sums[c] + grad * normal(c));
      gradient.beta_sums[c] = static_cast<float>(gradient.beta_sums[c] + grad);
    }
    for (std::int64_t c = 0; c < channels; ++c) {
      const double own = static_cast<double>(grad_y[c]) * gradient.gamma[c];
      double value = (own - (sum + weighted * normal(c)) / static_cast<double>(channels)) * scale;
      if (gradient.residual != nullptr) value += gradient.residual[row * channels + c];
      gradient.grad_x[row * channels + c] = static_cast<float>(value);
    }
  }
}

}  // namespace

const LayerNormKernels kLayerNormRef{forward, backward};

}  // namespace jetcal::kernels::detail
