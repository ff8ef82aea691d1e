// SPDX-License-Identifier: Apache-2.0
#include "jetcal/models/model_config.h"

#include <algorithm>
#include <array>
#include <iterator>
#include <nlohmann/json.hpp>
#include <utility>

#include "jetcal/base/error.h"

namespace jetcal::models {
namespace {

// Limits far above any search space: they keep sizes read from a hostile file from overflowing.
constexpr int kMaxLayers = 64;
constexpr int kMaxUnits = 16384;
constexpr int kMaxNeighbors = 1024;

struct IntegerField {
  const char* name;
  int ModelConfig::*member;
  int maximum;
};
constexpr std::array<IntegerField, 8> kIntegerFields{{
    {"particle_layers", &ModelConfig::particle_layers, kMaxLayers},
    {"particle_units", &ModelConfig::particle_units, kMaxUnits},
    {"edge_blocks", &ModelConfig::edge_blocks, kMaxLayers},
    {"neighbors", &ModelConfig::neighbors, kMaxNeighbors},
    {"edge_layers", &ModelConfig::edge_layers, kMaxLayers},
    {"edge_units", &ModelConfig::edge_units, kMaxUnits},
    {"head_layers", &ModelConfig::head_layers, kMaxLayers},
    {"head_units", &ModelConfig::head_units, kMaxUnits},
}};

ModelConfig paper_pfn() {
  ModelConfig config;
  config.dropout = 0.00945;
  return config;
}

ModelConfig paper_particlenet() {
  ModelConfig config;
  config.network = Network::ParticleNet;
  config.head_units = 200;
  config.dropout = 0.01163;
  return config;
}

// The small networks are made for samples of some ten thousand jets and a minute of training.
ModelConfig small_pfn() {
  ModelConfig config;
  config.standardise = true;
  config.particle_layers = 3;
  config.particle_units = 32;
  config.head_layers = 2;
  config.head_units = 64;
  return config;
}

ModelConfig small_particlenet() {
  ModelConfig config;
  config.network = Network::ParticleNet;
  config.standardise = true;
  config.edge_blocks = 2;
  config.neighbors = 8;
  config.edge_layers = 2;
  config.edge_units = 24;
  config.head_layers = 2;
  config.head_units = 48;
  return config;
}

struct Preset {
  const char* name;
  ModelConfig (*make)();
};
constexpr std::array<Preset, 4> kPresets{{{"paper-pfn", paper_pfn},
                                          {"paper-particlenet", paper_particlenet},
                                          {"small-pfn", small_pfn},
                                          {"small-particlenet", small_particlenet}}};

void read_field(const std::string& name, const nlohmann::json& value, ModelConfig& config) {
  if (name == "network") {
    config.network = parse_network(value.get<std::string>());
  } else if (name == "input_mode") {
    config.input_mode = edm::parse_input_mode(value.get<std::string>());
  } else if (name == "standardise") {
    config.standardise = value.get<bool>();
  } else if (name == "dropout") {
    config.dropout = value.get<double>();
  } else {
    const auto* const field =
        std::find_if(kIntegerFields.begin(), kIntegerFields.end(),
                     [&name](const IntegerField& known) { return name == known.name; });
    if (field == kIntegerFields.end()) {
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

std::string_view network_name(Network network) noexcept {
  return network == Network::Pfn ? "pfn" : "particlenet";
}

Network parse_network(std::string_view name) {
  if (name == "pfn") return Network::Pfn;
  if (name == "particlenet") return Network::ParticleNet;
  fail(ErrorCode::InvalidArgument, "network: expected pfn or particlenet, got '", name, "'");
}

std::vector<std::string> preset_names() {
  std::vector<std::string> names;
  names.reserve(std::size(kPresets));
  for (const Preset& known : kPresets) names.emplace_back(known.name);
  return names;
}

ModelConfig preset(std::string_view name) {
  std::string names;
  for (const Preset& known : kPresets) {
    if (name == known.name) return known.make();
    names += names.empty() ? "" : ", ";
    names += known.name;
  }
  fail(ErrorCode::InvalidArgument, "preset: expected one of ", names, ", got '", name, "'");
}

void validate(const ModelConfig& config) {
  for (const IntegerField& field : kIntegerFields) {
    const int value = config.*(field.member);
    if (value < 1 || value > field.maximum) {
      fail(ErrorCode::InvalidArgument, "model configuration: ", field.name, " must be in [1, ",
           field.maximum, "], got ", value);
    }
  }
  if (!(config.dropout >= 0 && config.dropout < 1)) {
    fail(ErrorCode::InvalidArgument, "model configuration: dropout must be in [0, 1), got ",
         config.dropout);
  }
}

nlohmann::json to_json(const ModelConfig& config) {
  nlohmann::json json;
  json["network"] = network_name(config.network);
  json["input_mode"] = edm::input_mode_name(config.input_mode);
  json["standardise"] = config.standardise;
  for (const IntegerField& field : kIntegerFields) json[field.name] = config.*(field.member);
  json["dropout"] = config.dropout;
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
