// SPDX-License-Identifier: Apache-2.0
#include "jetcal/models/model_config.h"

#include <algorithm>
#include <array>
#include <iterator>

#include "jetcal/base/error.h"
#include "jetcal/edm/flavor.h"
#include "jetcal/models/detail/model_config_fields.h"

namespace jetcal::models {
namespace {

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

ModelConfig transformer() {
  ModelConfig config;
  config.network = Network::ParticleTransformer;
  config.standardise = true;
  config.head_layers = 2;
  config.head_units = 100;
  return config;
}

ModelConfig small_transformer() {
  ModelConfig config = transformer();
  config.attention_blocks = 2;
  config.attention_units = 32;
  config.feed_forward_units = 64;
  config.head_units = 48;
  return config;
}

// What configurations of configs/beyond add up to, but for the closure, which is no part of a
// network.
ModelConfig beyond(ModelConfig config) {
  config.input_mode = edm::InputMode::Constituents;
  config.standardise = true;
  config.features = edm::FeatureSet::Extended;
  config.target = edm::Reference::Raw;
  config.head = Head::Quantiles;
  config.norm = Norm::Batch;
  return config;
}
ModelConfig beyond_pfn() { return beyond(paper_pfn()); }
ModelConfig beyond_particlenet() { return beyond(paper_particlenet()); }

struct Preset {
  const char* name;
  ModelConfig (*make)();
};
constexpr std::array<Preset, 8> kPresets{{{"paper-pfn", paper_pfn},
                                          {"paper-particlenet", paper_particlenet},
                                          {"small-pfn", small_pfn},
                                          {"small-particlenet", small_particlenet},
                                          {"transformer", transformer},
                                          {"small-transformer", small_transformer},
                                          {"beyond-pfn", beyond_pfn},
                                          {"beyond-particlenet", beyond_particlenet}}};

}  // namespace

std::string_view network_name(Network network) noexcept {
  if (network == Network::ParticleTransformer) return "particletransformer";
  return network == Network::Pfn ? "pfn" : "particlenet";
}

Network parse_network(std::string_view name) {
  if (name == "pfn") return Network::Pfn;
  if (name == "particlenet") return Network::ParticleNet;
  if (name == "particletransformer") return Network::ParticleTransformer;
  fail(ErrorCode::InvalidArgument,
       "network: expected pfn, particlenet or particletransformer, got '", name, "'");
}

namespace {

template <typename T>
struct Named {
  std::string_view name;
  T value;
};

constexpr std::array<Named<Head>, 5> kHeads{{{"value", Head::Value},
                                             {"quantiles", Head::Quantiles},
                                             {"gaussian", Head::Gaussian},
                                             {"laplace", Head::Laplace},
                                             {"mixture", Head::Mixture}}};
constexpr std::array<Named<Pooling>, 4> kPoolings{{{"standard", Pooling::Standard},
                                                   {"sum", Pooling::Sum},
                                                   {"mean", Pooling::Mean},
                                                   {"padded-mean", Pooling::PaddedMean}}};
constexpr std::array<Named<Norm>, 2> kNorms{{{"none", Norm::None}, {"batch", Norm::Batch}}};

template <typename Table, typename T>
std::string_view name_in(const Table& table, T value) noexcept {
  for (const auto& entry : table) {
    if (entry.value == value) return entry.name;
  }
  return "";
}

template <typename Table>
auto parse_in(const Table& table, const char* field, std::string_view name) {
  std::string names;
  for (const auto& entry : table) {
    if (entry.name == name) return entry.value;
    names += names.empty() ? "" : ", ";
    names += entry.name;
  }
  fail(ErrorCode::InvalidArgument, field, ": expected one of ", names, ", got '", name, "'");
}

}  // namespace

std::string_view head_name(Head head) noexcept { return name_in(kHeads, head); }
Head parse_head(std::string_view name) { return parse_in(kHeads, "head", name); }
std::string_view pooling_name(Pooling pooling) noexcept { return name_in(kPoolings, pooling); }
Pooling parse_pooling(std::string_view name) { return parse_in(kPoolings, "pooling", name); }
std::string_view norm_name(Norm norm) noexcept { return name_in(kNorms, norm); }
Norm parse_norm(std::string_view name) { return parse_in(kNorms, "norm", name); }

std::int64_t num_head_outputs(Head head) noexcept {
  switch (head) {
    case Head::Quantiles:
      return 5;
    case Head::Gaussian:
    case Head::Laplace:
      return 2;
    case Head::Mixture:
      return 4;
    case Head::Value:
      break;
  }
  return 1;
}

std::int64_t num_outputs(const ModelConfig& config) noexcept {
  return num_head_outputs(config.head) +
         (config.flavor_head ? static_cast<std::int64_t>(edm::kFlavors.size()) : 0);
}

float pooling_factor(const ModelConfig& config, std::int64_t num_particles) noexcept {
  const bool sums = config.network == Network::Pfn;
  const auto count = static_cast<float>(std::max<std::int64_t>(num_particles, 1));
  switch (config.pooling) {
    case Pooling::Sum:
      return sums ? 1.0F : count;
    case Pooling::Mean:
      return sums ? 1.0F / count : 1.0F;
    case Pooling::PaddedMean:
      return (sums ? 1.0F : count) / static_cast<float>(edm::kPaperMaxParticles);
    case Pooling::Standard:
      break;
  }
  return 1.0F;
}

void require_published(const ModelConfig& config, std::string_view who) {
  const auto refuse = [who](const char* field) {
    fail(ErrorCode::Unimplemented, who, " knows the published networks only: this one has another ",
         field);
  };
  const ModelConfig plain;
  if (config.network == Network::ParticleTransformer) refuse("kind, particletransformer");
  if (config.features != plain.features) refuse("set of features");
  if (config.target != plain.target) refuse("target");
  if (config.head != plain.head) refuse("head");
  if (config.pooling != plain.pooling) refuse("pooling");
  if (config.norm != plain.norm) refuse("norm");
  if (config.flavor_head) refuse("head, with flavors");
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
  for (const detail::IntegerField& field : detail::kIntegerFields) {
    const int value = config.*(field.member);
    if (value < 1 || value > field.maximum) {
      fail(ErrorCode::InvalidArgument, "model configuration: ", field.name, " must be in [1, ",
           field.maximum, "], got ", value);
    }
  }
  if (config.network == Network::ParticleTransformer &&
      config.attention_units % config.attention_heads != 0) {
    fail(ErrorCode::InvalidArgument, "model configuration: attention_units must be a multiple of ",
         "attention_heads, got ", config.attention_units, " for ", config.attention_heads);
  }
  if (!(config.dropout >= 0 && config.dropout < 1)) {
    fail(ErrorCode::InvalidArgument, "model configuration: dropout must be in [0, 1), got ",
         config.dropout);
  }
}

}  // namespace jetcal::models
