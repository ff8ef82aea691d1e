// SPDX-License-Identifier: Apache-2.0
// Turns ragged jets into the padded tensors of the protocol and back.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "jetcal/edm/features.h"
#include "jetcal/engine/tensor.h"
#include "jetcal/models/model_config.h"

namespace jetcal::engine {

/// Lists the inputs of a network as clients send them, batch dimension included: pf_points
/// [-1, 2, -1] (ParticleNet only), pf_features [-1, 6, -1], pf_mask [-1, 1, -1], jet_features
/// [-1, 8]; with other numbers of features where `inputs` say so.
std::vector<TensorSpec> network_inputs(models::Network network,
                                       const edm::InputOptions& inputs = {});
/// Lists its outputs: `output` [-1, 1], and `resolution` [-1, 1] where the network predicts it.
std::vector<TensorSpec> network_outputs(bool with_resolution = false);

/// Fills the inputs of a network with jets padded by zeros to `slots` particles each.
///
/// Shapes: as network_inputs, FP32. Throws InvalidArgument when a jet has more than `slots`
/// particles.
std::vector<Tensor> pad(const edm::FeatureView& jets, std::int64_t slots, models::Network network);

/// Appends the jets of padded inputs to `jets`: each slot whose mask is not 0, in order.
///
/// Requires: inputs as network_inputs says, with consistent sizes; the numbers of features are
/// theirs. Without pf_points the points are
/// features 2 and 3 (PF_dEta, PF_dPhi), which are the same numbers.
void unpad(std::span<const TensorView> inputs, edm::FeatureBatch& jets);

}  // namespace jetcal::engine
