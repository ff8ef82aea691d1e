// SPDX-License-Identifier: Apache-2.0
// How features are shifted, scaled and clipped: by the training set, by given numbers, or both.
#pragma once

#include <cstdint>
#include <map>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <vector>

#include "jetcal/base/config.h"
#include "jetcal/models/model.h"

namespace jetcal::train {

/// Numbers of one feature: x' = (x - center) * scale, clipped to [min, max].
struct FeatureRule {
  std::string feature;  ///< As in edm::particle_feature_names() or edm::jet_feature_names().
  std::optional<double> center, scale, min, max;
  bool operator==(const FeatureRule&) const = default;
};

/// Configures the standardisation.
struct StandardisationRules {
  /// "auto": centre and scale are the training set's mean and 1 / deviation where no feature rule
  /// says otherwise; "manual": 0 and 1; "none"; empty: model.standardise decides.
  std::string method;
  std::optional<double> clip;  ///< Bounds -clip and clip of every feature, after scaling.
  std::vector<FeatureRule> features;
  bool operator==(const StandardisationRules&) const = default;
};

/// Reads `prefix`standardisation. Throws InvalidArgument naming the field that is wrong.
StandardisationRules read_standardisation(const Config& config, const std::string& prefix);
/// Lists the rules under the names of their fields; null when there are none.
nlohmann::json to_json(const StandardisationRules& rules);

/// Throws InvalidArgument naming a feature that these inputs do not have.
void require_features(const StandardisationRules& rules, const edm::InputOptions& inputs);

/// Makes shifts, scales and bounds of what was fitted to the training set, which the method
/// "manual" does not need. Requires: the method is not "none", the features are those of the
/// inputs.
models::Standardisation make_standardisation(const StandardisationRules& rules,
                                             const models::Standardisation& fit,
                                             const edm::InputOptions& inputs);

/// Names the counts by feature; empty when the model has no bounds.
std::map<std::string, std::int64_t> named_counts(const models::ClipCounts& counts,
                                                 const edm::InputOptions& inputs);

}  // namespace jetcal::train
