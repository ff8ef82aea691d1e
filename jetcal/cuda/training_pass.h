// SPDX-License-Identifier: Apache-2.0
// The forward and backward pass for training on a GPU, with arrays of the host at both ends.
#pragma once

#include <cstdint>
#include <memory>
#include <span>

#include "jetcal/cuda/device.h"
#include "jetcal/models/model.h"

namespace jetcal::cuda {

/// Does what models::TrainingPass does, by the same calls. Parameters, y and gradients travel to
/// and from the device every time; TrainingStep keeps them there. Not thread-safe. Results have the
/// same bits every time on one kind of GPU with one version of cuBLAS; they differ from the CPU's
/// by rounding (Float32) or by the precision chosen.
class TrainingPass {
 public:
  /// Throws Unavailable without a device.
  TrainingPass(const models::ModelConfig& config, const models::Standardisation& standardisation,
               Precision precision = Precision::Float32);
  ~TrainingPass();

  /// As models::TrainingPass::forward.
  void forward(std::span<const float> parameters, std::span<float> buffers,
               const edm::FeatureView& features, std::uint64_t dropout_seed, std::span<float> y);

  /// As models::TrainingPass::backward.
  void backward(std::span<const float> parameters, std::span<const float> grad_y,
                std::span<float> grad_parameters);

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace jetcal::cuda
