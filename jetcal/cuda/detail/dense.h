// SPDX-License-Identifier: Apache-2.0
// What follows a linear layer on the device: bias, relu, dropout; and their gradients.
#pragma once

#include <cstdint>

#include "jetcal/cuda/detail/queue.h"

namespace jetcal::cuda::detail {

/// Says what follows a linear layer of `real_channels` outputs, in rows of `channels`.
struct LayerEnd {
  std::int64_t channels = 0, real_channels = 0;
  const float* bias = nullptr;  ///< [real_channels], or null.
  bool with_relu = false;
  float dropout = 0;
  std::uint64_t seed = 0;  ///< Of the masks, as kernels::dropout draws them.
};

/// y = dropout(relu(z + bias)); padding gets zeros. y may be z where the types agree.
template <typename In, typename Out>
void finish_layer(Queue& queue, const In* z, std::int64_t rows, const LayerEnd& end, Out* y);

/// Turns the gradient of y into that of z, and sums its columns into parts for bias_gradient.
/// grad_z may be grad_y where the types agree. Masks are read off y: what dropout zeroed has none.
template <typename Act, typename In, typename Out>
void finish_layer_backward(Queue& queue, const Act* y, const In* grad_y, std::int64_t rows,
                           const LayerEnd& end, Out* grad_z, double* parts);

/// grad_bias [real_channels] from the parts.
void bias_gradient(Queue& queue, const double* parts, std::int64_t rows, const LayerEnd& end,
                   float* grad_bias);

}  // namespace jetcal::cuda::detail
