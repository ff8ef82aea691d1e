// SPDX-License-Identifier: Apache-2.0
// Layer normalisation of a training pass, and what backward needs of it.
#pragma once

#include <span>
#include <vector>

#include "jetcal/kernels/layer_norm.h"
#include "jetcal/models/detail/slot_spans.h"

namespace jetcal::models::detail {

/// Normalises rows; its input stays with the caller.
class LayerNormPass {
 public:
  explicit LayerNormPass(const LayerNormSlot& slot) : slot_(slot) {}

  /// Shapes: x, y [R, C].
  void forward(std::span<const float> parameters, std::span<const float> x, std::span<float> y) {
    const std::int64_t rows = std::ssize(x) / slot_.channels;
    kernels::layer_norm_forward(x, slot_.channels,
                                channels_of(parameters, slot_.scale, slot_.channels),
                                channels_of(parameters, slot_.shift, slot_.channels), y,
                                rows_in(mean_, rows, 1), rows_in(inverse_deviation_, rows, 1));
  }

  /// Writes residual + the gradient of x to grad_x and the gradients of scale and shift; residual
  /// may be empty, grad_x may be residual or grad_y.
  void backward(std::span<const float> parameters, std::span<const float> x,
                std::span<const float> grad_y, std::span<const float> residual,
                std::span<float> grad_x, std::span<float> grad_parameters) {
    const std::int64_t rows = std::ssize(x) / slot_.channels;
    kernels::layer_norm_backward(
        x, grad_y, slot_.channels, channels_of(parameters, slot_.scale, slot_.channels),
        rows_in(mean_, rows, 1), rows_in(inverse_deviation_, rows, 1), residual, grad_x,
        channels_of(grad_parameters, slot_.scale, slot_.channels),
        channels_of(grad_parameters, slot_.shift, slot_.channels));
  }

 private:
  LayerNormSlot slot_;
  std::vector<float> mean_, inverse_deviation_;
};

}  // namespace jetcal::models::detail
