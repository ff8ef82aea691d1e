// SPDX-License-Identifier: Apache-2.0
// The whole numbers of a configuration by name, with their limits.
#pragma once

#include <array>

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
inline constexpr std::array<IntegerField, 8> kIntegerFields{{
    {"particle_layers", &ModelConfig::particle_layers, kMaxLayers},
    {"particle_units", &ModelConfig::particle_units, kMaxUnits},
    {"edge_blocks", &ModelConfig::edge_blocks, kMaxLayers},
    {"neighbors", &ModelConfig::neighbors, kMaxNeighbors},
    {"edge_layers", &ModelConfig::edge_layers, kMaxLayers},
    {"edge_units", &ModelConfig::edge_units, kMaxUnits},
    {"head_layers", &ModelConfig::head_layers, kMaxLayers},
    {"head_units", &ModelConfig::head_units, kMaxUnits},
}};

}  // namespace jetcal::models::detail
