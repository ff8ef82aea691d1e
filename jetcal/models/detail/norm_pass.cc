// SPDX-License-Identifier: Apache-2.0
#include "jetcal/models/detail/norm_pass.h"

namespace jetcal::models::detail {

void NormPass::forward(std::span<const float> parameters, std::span<float> buffers,
                       std::span<const float> z, std::span<float> y, kernels::SharedSums* shared) {
  const std::int64_t channels = slot_.channels;
  kernels::BatchNormOptions options;
  options.epsilon = static_cast<float>(kNormEpsilon);
  options.activation = activation_;
  options.shared = shared;
  shared_ = shared;
  std::span<float> running_mean;
  std::span<float> running_variance;
  if (!buffers.empty()) {
    running_mean = channels_of(buffers, slot_.mean, channels);
    running_variance = channels_of(buffers, slot_.variance, channels);
  }
  all_rows_ =
      kernels::batch_norm_forward(z, channels, channels_of(parameters, slot_.scale, channels),
                                  channels_of(parameters, slot_.shift, channels), options, y, mean_,
                                  inverse_deviation_, running_mean, running_variance);
}

void NormPass::backward(std::span<const float> parameters, std::span<const float> z,
                        std::span<float> grad, std::span<float> grad_parameters) const {
  const std::int64_t channels = slot_.channels;
  kernels::batch_norm_backward(
      z, grad, channels, channels_of(parameters, slot_.scale, channels),
      channels_of(parameters, slot_.shift, channels), mean_, inverse_deviation_, activation_, grad,
      channels_of(grad_parameters, slot_.scale, channels),
      channels_of(grad_parameters, slot_.shift, channels), shared_, all_rows_);
}

}  // namespace jetcal::models::detail
