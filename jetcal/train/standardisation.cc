// SPDX-License-Identifier: Apache-2.0
#include "jetcal/train/standardisation.h"

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>
#include <string_view>

#include "jetcal/base/error.h"

namespace jetcal::train {
namespace {

FeatureRule read_feature(const Config& config, const std::string& field, const std::string& name) {
  FeatureRule rule{name, {}, {}, {}, {}};
  const std::string of_feature = field + "." + name;
  const auto number = [&](const char* key, std::optional<double>& value) {
    const std::string at = of_feature + "." + key;
    if (!config.has(at)) return;
    value = config.require<double>(at);
    if (!std::isfinite(*value))
      fail(ErrorCode::InvalidArgument, config.source(), ": ", at, " must be finite");
  };
  number("center", rule.center);
  number("scale", rule.scale);
  number("min", rule.min);
  number("max", rule.max);
  if (rule.scale && !(*rule.scale > 0))
    fail(ErrorCode::InvalidArgument, config.source(), ": ", of_feature, ".scale must be positive");
  if (rule.min && rule.max && !(*rule.min < *rule.max)) {
    fail(ErrorCode::InvalidArgument, config.source(), ": ", of_feature,
         ".min must be below its max");
  }
  return rule;
}

// What the rules make of the features of one kind.
struct Table {
  std::vector<float>& mean;
  std::vector<float>& deviation;
  std::vector<float>& low;
  std::vector<float>& high;
};

void apply(const FeatureRule& rule, const std::optional<double>& clip, std::size_t at,
           Table& table) {
  if (rule.center) table.mean[at] = static_cast<float>(*rule.center);
  if (rule.scale) table.deviation[at] = static_cast<float>(1 / *rule.scale);
  const auto raw = [&](double scaled) {
    const double bound = table.mean[at] + scaled * static_cast<double>(table.deviation[at]);
    return edm::bounded_feature(static_cast<float>(bound));
  };
  if (rule.min || clip) table.low[at] = raw(rule.min ? *rule.min : -*clip);
  if (rule.max || clip) table.high[at] = raw(rule.max ? *rule.max : *clip);
}

void apply_all(const StandardisationRules& rules, const std::vector<std::string_view>& names,
               Table table) {
  table.low.assign(names.size(), -edm::kLargestFeature);
  table.high.assign(names.size(), edm::kLargestFeature);
  if (rules.method == "manual") {
    table.mean.assign(names.size(), 0.0F);
    table.deviation.assign(names.size(), 1.0F);
  }
  for (std::size_t i = 0; i < names.size(); ++i) {
    const auto found =
        std::find_if(rules.features.begin(), rules.features.end(),
                     [&](const FeatureRule& rule) { return rule.feature == names[i]; });
    apply(found == rules.features.end() ? FeatureRule{} : *found, rules.clip, i, table);
  }
}

}  // namespace

StandardisationRules read_standardisation(const Config& config, const std::string& prefix) {
  StandardisationRules rules;
  const std::string name = prefix + "standardisation";
  if (!config.has(name)) return rules;
  rules.method = config.get<std::string>(name + ".method", "");
  if (rules.method != "auto" && rules.method != "manual" && rules.method != "none") {
    fail(ErrorCode::InvalidArgument, config.source(), ": ", name,
         ".method must be auto, manual or none, got '", rules.method, "'");
  }
  if (config.has(name + ".clip")) rules.clip = config.require<double>(name + ".clip");
  if (rules.clip && !(*rules.clip > 0 && std::isfinite(*rules.clip)))
    fail(ErrorCode::InvalidArgument, config.source(), ": ", name, ".clip must be positive");
  const YAML::Node features =
      config.get<YAML::Node>(name + ".features", YAML::Node(YAML::NodeType::Undefined));
  if (features.IsDefined() && !features.IsNull()) {
    if (!features.IsMap())
      fail(ErrorCode::InvalidArgument, config.source(), ": ", name,
           ".features must be a mapping of features to center, scale, min and max");
    for (const auto& entry : features) {
      rules.features.push_back(read_feature(config, name + ".features", entry.first.Scalar()));
      for (const auto& value : entry.second) {
        const std::string key = value.first.Scalar();
        if (key != "center" && key != "scale" && key != "min" && key != "max") {
          fail(ErrorCode::InvalidArgument, config.source(), ": ", name, ".features.",
               entry.first.Scalar(), " has an unknown field '", key,
               "', known are center, scale, min and max");
        }
      }
    }
  }
  for (const FeatureRule& rule : rules.features) {
    const bool in_order =
        !rules.clip || (rule.min.value_or(-*rules.clip) < rule.max.value_or(*rules.clip));
    if (!in_order) {
      fail(ErrorCode::InvalidArgument, config.source(), ": ", name, ".features.", rule.feature,
           ": its min must be below clip where it has no max, and its max above -clip");
    }
  }
  if (rules.method == "none" && (rules.clip || !rules.features.empty())) {
    fail(ErrorCode::InvalidArgument, config.source(), ": ", name,
         ".method none takes neither clip nor features; manual has centre 0 and scale 1");
  }
  return rules;
}

nlohmann::json to_json(const StandardisationRules& rules) {
  if (rules == StandardisationRules()) return nullptr;
  nlohmann::json json{{"method", rules.method}};
  if (rules.clip) json["clip"] = *rules.clip;
  for (const FeatureRule& rule : rules.features) {
    nlohmann::json& feature = json["features"][rule.feature];
    if (rule.center) feature["center"] = *rule.center;
    if (rule.scale) feature["scale"] = *rule.scale;
    if (rule.min) feature["min"] = *rule.min;
    if (rule.max) feature["max"] = *rule.max;
  }
  return json;
}

void require_features(const StandardisationRules& rules, const edm::InputOptions& inputs) {
  std::vector<std::string_view> names = edm::particle_feature_names(inputs);
  for (const std::string_view name : edm::jet_feature_names(inputs)) names.push_back(name);
  for (const FeatureRule& rule : rules.features) {
    if (std::find(names.begin(), names.end(), rule.feature) != names.end()) continue;
    std::string known;
    for (const std::string_view name : names) known.append(known.empty() ? "" : ", ").append(name);
    fail(ErrorCode::InvalidArgument, "data.standardisation.features: unknown feature '",
         rule.feature, "', known are ", known);
  }
}

models::Standardisation make_standardisation(const StandardisationRules& rules,
                                             const models::Standardisation& fit,
                                             const edm::InputOptions& inputs) {
  models::Standardisation made = fit;
  const bool bounds =
      rules.clip || std::any_of(rules.features.begin(), rules.features.end(),
                                [](const FeatureRule& rule) { return rule.min || rule.max; });
  apply_all(rules, edm::particle_feature_names(inputs),
            {made.particle_mean, made.particle_deviation, made.particle_low, made.particle_high});
  apply_all(rules, edm::jet_feature_names(inputs),
            {made.jet_mean, made.jet_deviation, made.jet_low, made.jet_high});
  if (!bounds) {
    for (auto* const list :
         {&made.particle_low, &made.particle_high, &made.jet_low, &made.jet_high})
      list->clear();
  }
  return made;
}

std::map<std::string, std::int64_t> named_counts(const models::ClipCounts& counts,
                                                 const edm::InputOptions& inputs) {
  std::map<std::string, std::int64_t> named;
  const std::vector<std::string_view> particles = edm::particle_feature_names(inputs);
  const std::vector<std::string_view> jets = edm::jet_feature_names(inputs);
  for (std::size_t i = 0; i < counts.particles.size(); ++i)
    named[std::string(particles[i])] = counts.particles[i];
  for (std::size_t i = 0; i < counts.jets.size(); ++i) named[std::string(jets[i])] = counts.jets[i];
  return named;
}

}  // namespace jetcal::train
