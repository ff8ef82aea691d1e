// SPDX-License-Identifier: Apache-2.0
// What runs the network of a learner: the CPU's pass, or that of a device.
#pragma once

#include <functional>
#include <memory>

#include "jetcal/models/training_pass.h"

namespace jetcal::train {

/// The calls of models::TrainingPass that a learner needs; see there.
class NetworkPass {
 public:
  virtual ~NetworkPass() = default;
  virtual void forward(std::span<const float> parameters, std::span<float> buffers,
                       const edm::FeatureView& features, std::uint64_t dropout_seed,
                       std::span<float> y, const models::BatchShare& share) = 0;
  virtual void backward(std::span<const float> parameters, std::span<const float> grad_y,
                        std::span<float> grad_parameters,
                        const models::GradientsFinished& finished) = 0;
};

/// Makes the pass of a network. May throw Unimplemented for a network that its device cannot train,
/// and Unavailable without the device. Empty: the CPU's.
using NetworkPassFactory = std::function<std::unique_ptr<NetworkPass>(
    const models::ModelConfig&, const models::Standardisation&)>;

/// Makes the pass of `factory`, or the CPU's where it is empty.
std::unique_ptr<NetworkPass> make_network_pass(const NetworkPassFactory& factory,
                                               const models::ModelConfig& config,
                                               const models::Standardisation& standardisation);

}  // namespace jetcal::train
