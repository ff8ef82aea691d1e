// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <nlohmann/json.hpp>
#include <string>

#include "jetcal/base/error.h"
#include "jetcal/models/detail/model_config_fields.h"
#include "jetcal/models/model_config.h"

namespace jetcal::models {
namespace {

void read_field(const std::string& name, const nlohmann::json& value, ModelConfig& config) {
  if (name == "network") {
    config.network = parse_network(value.get<std::string>());
  } else if (name == "input_mode") {
    config.input_mode = edm::parse_input_mode(value.get<std::string>());
  } else if (name == "standardise") {
    config.standardise = value.get<bool>();
  } else if (name == "features") {
    config.features = edm::parse_feature_set(value.get<std::string>());
  } else if (name == "target") {
    config.target = edm::parse_reference(value.get<std::string>());
  } else if (name == "skip") {
    config.skip = value.get<bool>();
  } else if (name == "head") {
    config.head = parse_head(value.get<std::string>());
  } else if (name == "pooling") {
    config.pooling = parse_pooling(value.get<std::string>());
  } else if (name == "norm") {
    config.norm = parse_norm(value.get<std::string>());
  } else if (name == "flavor_head") {
    config.flavor_head = value.get<bool>();
  } else if (name == "dropout") {
    config.dropout = value.get<double>();
  } else {
    const auto* const field =
        std::find_if(detail::kIntegerFields.begin(), detail::kIntegerFields.end(),
                     [&name](const detail::IntegerField& known) { return name == known.name; });
    if (field == detail::kIntegerFields.end()) {
      fail(ErrorCode::InvalidArgument, "model configuration: unknown field '", name, "'");
    }
    // get<int>() would round 2.5 and wrap 1e12 without a word.
    if (!value.is_number_integer()) {
      fail(ErrorCode::InvalidArgument, "model configuration: field '", name,
           "' must be an integer, got ", value.dump());
    }
    const auto integer = value.get<std::int64_t>();
    if (integer < 1 || integer > field->maximum) {
      fail(ErrorCode::InvalidArgument, "model configuration: ", name, " must be in [1, ",
           field->maximum, "], got ", value.dump());
    }
    config.*(field->member) = static_cast<int>(integer);
  }
}

}  // namespace

nlohmann::json to_json(const ModelConfig& config) {
  nlohmann::json json;
  json["network"] = network_name(config.network);
  json["input_mode"] = edm::input_mode_name(config.input_mode);
  json["standardise"] = config.standardise;
  const ModelConfig defaults;
  for (const detail::IntegerField& field : detail::kIntegerFields) {
    // The fingerprints of models from before there was a transformer are hashes of what they hold.
    const bool idle = config.network != Network::ParticleTransformer &&
                      detail::is_transformer_field(field.name) &&
                      config.*(field.member) == defaults.*(field.member);
    if (!idle) json[field.name] = config.*(field.member);
  }
  json["dropout"] = config.dropout;
  // Only where they differ: the fingerprints of published networks stay what they were.
  const ModelConfig plain;
  if (config.features != plain.features) json["features"] = edm::feature_set_name(config.features);
  if (config.target != plain.target) json["target"] = edm::reference_name(config.target);
  if (config.skip != plain.skip) json["skip"] = config.skip;
  if (config.head != plain.head) json["head"] = head_name(config.head);
  if (config.pooling != plain.pooling) json["pooling"] = pooling_name(config.pooling);
  if (config.norm != plain.norm) json["norm"] = norm_name(config.norm);
  if (config.flavor_head) json["flavor_head"] = true;
  return json;
}

ModelConfig model_config_from_json(const nlohmann::json& json) {
  if (!json.is_object()) {
    fail(ErrorCode::InvalidArgument, "model configuration: expected an object, got ",
         json.type_name());
  }
  ModelConfig config;
  for (const auto& [name, value] : json.items()) {
    try {
      read_field(name, value, config);
    } catch (const nlohmann::json::exception&) {
      fail(ErrorCode::InvalidArgument, "model configuration: field '", name,
           "' has the wrong type, ", value.type_name());
    }
  }
  validate(config);
  return config;
}

}  // namespace jetcal::models
