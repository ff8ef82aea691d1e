// SPDX-License-Identifier: Apache-2.0
// The whole numbers of a configuration by name, with their limits.
#pragma once

#include <array>
#include <string_view>

#include "jetcal/models/model_config.h"

namespace jetcal::models::detail {

// Limits far above any search space: they keep sizes read from a hostile file from overflowing.
inline constexpr int kMaxLayers = 64;
inline constexpr int kMaxUnits = 16384;
inline constexpr int kMaxNeighbors = 1024;

struct IntegerField {
  const char* name;
  int ModelConfig::*member;
  int maximum;
};
inline constexpr std::array<IntegerField, 13> kIntegerFields{{
    {"particle_layers", &ModelConfig::particle_layers, kMaxLayers},
    {"particle_units", &ModelConfig::particle_units, kMaxUnits},
    {"edge_blocks", &ModelConfig::edge_blocks, kMaxLayers},
    {"neighbors", &ModelConfig::neighbors, kMaxNeighbors},
    {"edge_layers", &ModelConfig::edge_layers, kMaxLayers},
    {"edge_units", &ModelConfig::edge_units, kMaxUnits},
    {"embedding_layers", &ModelConfig::embedding_layers, kMaxLayers},
    {"attention_blocks", &ModelConfig::attention_blocks, kMaxLayers},
    {"attention_heads", &ModelConfig::attention_heads, kMaxUnits},
    {"attention_units", &ModelConfig::attention_units, kMaxUnits},
    {"feed_forward_units", &ModelConfig::feed_forward_units, kMaxUnits},
    {"head_layers", &ModelConfig::head_layers, kMaxLayers},
    {"head_units", &ModelConfig::head_units, kMaxUnits},
}};

/// Tells whether a field belongs to the transformer alone.
inline bool is_transformer_field(std::string_view name) {
  return name == "embedding_layers" || name.starts_with("attention_") ||
         name == "feed_forward_units";
}

}  // namespace jetcal::models::detail
