// SPDX-License-Identifier: Apache-2.0
// Which layers a configuration has, and where each finds its numbers in the flat buffers.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "jetcal/models/model.h"

namespace jetcal::models::detail {

inline constexpr double kNormEpsilon = 1e-5;  ///< PyTorch's default, which the paper uses.

/// Places a linear layer in the parameters; `bias` is -1 where it has none.
struct LinearSlot {
  std::int64_t in = 0, out = 0;
  std::int64_t weight = -1, bias = -1;
};

/// Places a batch normalisation: scale and shift in the parameters, mean and variance in the
/// buffers.
struct NormSlot {
  std::int64_t channels = 0;
  std::int64_t scale = -1, shift = -1;
  std::int64_t mean = -1, variance = -1;
};

struct EdgeLayerSlot {
  LinearSlot linear;  ///< The first one of a block has 2C inputs, [x_i, x_j - x_i].
  NormSlot norm;
};

struct EdgeBlockSlot {
  std::int64_t in = 0;  ///< C
  std::vector<EdgeLayerSlot> layers;
  std::optional<EdgeLayerSlot> shortcut;  ///< Where the widths differ.
};

/// Places the scale and shift of a layer normalisation.
struct LayerNormSlot {
  std::int64_t channels = 0;
  std::int64_t scale = -1, shift = -1;
};

/// Places one block: x + out(attention(qkv(norm(x)))), then x + contract(relu(expand(norm(x)))).
struct AttentionBlockSlot {
  LayerNormSlot norm, feed_norm;
  LinearSlot qkv, out, expand, contract;
  LinearSlot pair;  ///< [heads, pair quantities]
};

struct TransformerSlots {
  std::int64_t heads = 0, units = 0;  ///< Units are those of one head.
  std::vector<LinearSlot> embedding;  ///< ReLU after all but the last.
  std::vector<AttentionBlockSlot> blocks;
  LayerNormSlot norm;  ///< After the last block.
};

struct NetworkPlan {
  std::vector<LinearSlot> particle_layers;  ///< PFN
  NormSlot input_norm, feature_norm;        ///< ParticleNet; Norm::Batch gives the PFN the first
  LinearSlot feature;                       ///< ParticleNet
  std::vector<EdgeBlockSlot> blocks;        ///< ParticleNet
  std::optional<TransformerSlots> transformer;
  NormSlot head_norm;            ///< Of the head's input, with Norm::Batch
  std::vector<LinearSlot> head;  ///< The last one gives y.
  std::int64_t particle_features = 0, jet_features = 0;
  std::int64_t pooled = 0;   ///< Width of the pooled particles.
  std::int64_t outputs = 0;  ///< Of the head's last layer.
  Layout layout;
};

/// Lays out a valid configuration.
NetworkPlan make_plan(const ModelConfig& config);

}  // namespace jetcal::models::detail
