// SPDX-License-Identifier: Apache-2.0
// A network ready for inference: batch normalisation and standardisation folded into its linear
// layers, the first edge layer of every block factored per particle. The native forward pass and
// the ONNX export both start from it.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "jetcal/models/model.h"

namespace jetcal::models {

/// Computes y = W x + b.
struct Dense {
  std::int64_t in = 0, out = 0;
  std::vector<float> weight;  ///< [out, in]
  std::vector<float> bias;    ///< [out]
};

/// One EdgeConv block: relu(center(x_i) + neighbor(x_j)), then relu(layer) for each of `layers`,
/// mean over the real neighbors j, plus shortcut(x_i) (identity where there is none), relu.
struct FoldedEdgeBlock {
  Dense center;    ///< W1 - W2, carries the bias.
  Dense neighbor;  ///< W2; its bias is zero.
  std::vector<Dense> layers;
  std::optional<Dense> shortcut;
};

/// One block of attention on rows x: x + out(attention(qkv(normal(x)), pair_weight)), then x +
/// contract(relu(expand(normal(x)))), where normal() is layer normalisation with scale 1 and shift
/// 0.
struct FoldedAttentionBlock {
  Dense qkv, out, expand, contract;
  std::vector<float> pair_weight;  ///< [heads, 4] as in kernels/attention.h
};

/// Layers in order: embedding (relu after all but the last), blocks, scale normal(x) + shift.
struct FoldedTransformer {
  std::vector<Dense> embedding;
  std::vector<FoldedAttentionBlock> blocks;
  std::vector<float> scale, shift;
};

/// Layers in order: relu(particle_layers), edge blocks, pooling (config.pooling), concatenation
/// with the jet features, relu(head) but for the last head layer, which gives
/// num_head_outputs(config.head) numbers; outputs for flavors are left out. models::read_head()
/// turns these into y and a resolution, to which `calibration` is applied last. Where
/// `skip_feature` is not negative, the jet feature there is added to y before.
struct FoldedModel {
  ModelConfig config;
  /// Bounds to which features are clipped before the first layer, as in Standardisation.
  std::vector<float> particle_low, particle_high, jet_low, jet_high;
  Calibration calibration;
  std::int64_t skip_feature = -1;
  std::int64_t num_particle_features = edm::kNumParticleFeatures;
  std::int64_t num_jet_features = edm::kNumJetFeatures;
  std::vector<Dense> particle_layers;
  std::vector<FoldedEdgeBlock> blocks;
  std::optional<FoldedTransformer> transformer;  ///< In place of particle_layers and blocks.
  std::vector<Dense> head;
};

/// Folds in double precision.
FoldedModel fold(const Model& model);

}  // namespace jetcal::models
