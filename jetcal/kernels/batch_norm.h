// SPDX-License-Identifier: Apache-2.0
// Normalises columns by the mean and variance of the batch, for training.
#pragma once

#include <cstdint>
#include <span>

#include "jetcal/kernels/linear.h"
#include "jetcal/kernels/shared_sums.h"

namespace jetcal::kernels {

/// Sets how batch_norm normalises; the defaults are PyTorch's.
struct BatchNormOptions {
  float epsilon = 1e-5F;
  float momentum = 0.1F;  ///< running = (1 - momentum) running + momentum batch.
  Activation activation = Activation::None;
  /// Makes the statistics those of the rows of all workers; nullptr: of these rows alone.
  SharedSums* shared = nullptr;
};

/// Computes y = activation(gamma (x - mean) / sqrt(variance + epsilon) + beta) with the mean and
/// the biased variance of every column.
///
/// Shapes: x, y [R, C], row-major; gamma, beta, mean, inverse_deviation [C]; running_mean and
/// running_variance [C], or both empty. mean and inverse_deviation are written for backward. The
/// running statistics move towards the batch's mean and unbiased variance; a batch of one row has
/// no unbiased variance and moves the mean only, an empty one moves neither and writes mean 0,
/// inverse_deviation 1 / sqrt(epsilon). y may be x, but backward needs x. Sums run in double over
/// fixed blocks of rows: the same bits with any number of threads. Uses parallel_for; thread-safe.
/// Returns the number of rows of all workers.
std::int64_t batch_norm_forward(std::span<const float> x, std::int64_t channels,
                                std::span<const float> gamma, std::span<const float> beta,
                                const BatchNormOptions& options, std::span<float> y,
                                std::span<float> mean, std::span<float> inverse_deviation,
                                std::span<float> running_mean, std::span<float> running_variance);

/// Computes the gradients of batch_norm_forward, overwriting; needs its x, mean and
/// inverse_deviation. With Relu, the sign of y is computed again from x, so grad_y is the gradient
/// after the activation. grad_x may be grad_y. Promises as in batch_norm_forward.
///
/// With `shared`, grad_gamma and grad_beta are those of these rows: the caller adds them up with
/// the other gradients. `all_rows` is what forward returned.
void batch_norm_backward(std::span<const float> x, std::span<const float> grad_y,
                         std::int64_t channels, std::span<const float> gamma,
                         std::span<const float> beta, std::span<const float> mean,
                         std::span<const float> inverse_deviation, Activation activation,
                         std::span<float> grad_x, std::span<float> grad_gamma,
                         std::span<float> grad_beta, SharedSums* shared = nullptr,
                         std::int64_t all_rows = 0);

}  // namespace jetcal::kernels
