// SPDX-License-Identifier: Apache-2.0
// What each layer of a network holds and costs.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "jetcal/models/model_config.h"

namespace jetcal::models {

/// Describes one layer.
struct LayerSummary {
  std::string name;                 ///< Its tensors' names without their last part.
  std::vector<std::int64_t> shape;  ///< Of its weight.
  std::int64_t parameters = 0;
  std::int64_t macs_padded = 0;  ///< Of one jet, as macs_padded() counts.
  std::int64_t macs = 0;         ///< Of one jet of num_particles, as macs_ragged() counts.
};

/// Lists the layers in the order of the parameters; sums equal num_parameters(), macs_padded() and
/// macs_ragged().
std::vector<LayerSummary> summarise(const ModelConfig& config, std::int64_t num_particles);

/// Returns the layers and their sums as a table for people.
std::string summary_table(const ModelConfig& config, std::int64_t num_particles);

}  // namespace jetcal::models
