// SPDX-License-Identifier: Apache-2.0
// The variants behind layer_norm.h: raw pointers, rows on one thread.
#pragma once

#include <cstdint>

namespace jetcal::kernels::detail {

/// Asks for y = gamma (x - mean) inverse_deviation + beta, row by row; gamma and beta may be null,
/// both, and so may mean and inverse_deviation [rows], where the statistics go.
struct LayerNormRows {
  const float* x;
  std::int64_t x_stride, rows, channels;
  const float* gamma;
  const float* beta;
  float* y;
  std::int64_t y_stride;
  float* mean;
  float* inverse_deviation;
  float epsilon;
};

/// Asks for grad_x = residual + the gradient of x; residual may be null. Adds grad_y times the
/// normalised rows to gamma_sums [channels], grad_y to beta_sums. All rows are `channels` apart.
struct LayerNormGradient {
  const float* x;
  const float* grad_y;
  std::int64_t rows, channels;
  const float* gamma;
  const float* mean;
  const float* inverse_deviation;
  const float* residual;
  float* grad_x;
  float* gamma_sums;
  float* beta_sums;
};

struct LayerNormKernels {
  void (*forward)(const LayerNormRows& norm);
  void (*backward)(const LayerNormGradient& gradient);
};

extern const LayerNormKernels kLayerNormRef, kLayerNormAvx2, kLayerNormAvx512;

}  // namespace jetcal::kernels::detail
