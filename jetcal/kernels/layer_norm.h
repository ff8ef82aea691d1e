// SPDX-License-Identifier: Apache-2.0
// Normalises every row by its own mean and variance.
#pragma once

#include <cstdint>
#include <span>

namespace jetcal::kernels {

inline constexpr float kLayerNormEpsilon = 1e-5F;  ///< PyTorch's default.

/// Computes y = gamma (x - mean) / sqrt(variance + epsilon) + beta with the mean and the biased
/// variance of every row.
///
/// Shapes: x, y [R, C], row-major; gamma, beta [C]; mean, inverse_deviation [R] are written for
/// backward. y may be x, but backward needs x. A row's result has the same bits in any batch, with
/// any number of threads. Uses parallel_for; thread-safe.
void layer_norm_forward(std::span<const float> x, std::int64_t channels,
                        std::span<const float> gamma, std::span<const float> beta,
                        std::span<float> y, std::span<float> mean,
                        std::span<float> inverse_deviation);

/// Computes the gradients of layer_norm_forward, overwriting; needs its x, mean and
/// inverse_deviation.
///
/// grad_x = residual [R, C] + the gradient of x; an empty residual means none; grad_x may be
/// residual or grad_y. Fixed blocks of rows are summed in their order: the same bits with any
/// number of threads. Uses parallel_for; thread-safe.
void layer_norm_backward(std::span<const float> x, std::span<const float> grad_y,
                         std::int64_t channels, std::span<const float> gamma,
                         std::span<const float> mean, std::span<const float> inverse_deviation,
                         std::span<const float> residual, std::span<float> grad_x,
                         std::span<float> grad_gamma, std::span<float> grad_beta);

/// Names rows for layer_normalise: x_stride and y_stride floats apart, `channels` of them used.
struct LayerNormTile {
  const float* x = nullptr;
  std::int64_t x_stride = 0, rows = 0, channels = 0;
  float* y = nullptr;
  std::int64_t y_stride = 0;
};

/// Computes layer_norm_forward's y, with its bits, on the calling thread; empty gamma and beta
/// stand for 1 and 0. Allocates nothing.
void layer_normalise(const LayerNormTile& tile, std::span<const float> gamma = {},
                     std::span<const float> beta = {});

}  // namespace jetcal::kernels
