// SPDX-License-Identifier: Apache-2.0
// What a network looks like: its kind, its sizes, and what follows from them.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#if __has_include(<nlohmann/json_fwd.hpp>)
#include <nlohmann/json_fwd.hpp>
#endif

#include "jetcal/edm/features.h"

namespace jetcal::models {

/// Names a network architecture.
enum class Network {
  Pfn,          ///< Deep Sets: a network on every particle, sum, head (Komiske, Metodiev, Thaler).
  ParticleNet,  ///< EdgeConv blocks on k nearest neighbours, mean, head (Qu, Gouskos).
  /// Blocks of self-attention with a bias for every pair of particles, mean, head (after Qu, Li,
  /// Qian; small, and without class tokens).
  ParticleTransformer,
};

std::string_view network_name(
    Network network) noexcept;                 ///< "pfn", "particlenet" or "particletransformer"
Network parse_network(std::string_view name);  ///< Throws InvalidArgument for another name.

/// Says what the head gives, besides y.
enum class Head {
  Value,      ///< y alone, as published.
  Quantiles,  ///< y is the median; with the quantiles at 16, 25, 75 and 84 % around it.
  Gaussian,   ///< y and the width of a normal distribution.
  Laplace,    ///< y and the width of a double exponential distribution.
  Mixture,  ///< y, and the widths and shares of a narrow and a wide normal distribution around it.
};

/// Says how the particles of a jet become one row.
enum class Pooling {
  Standard,  ///< The network's own: sum (PFN), mean (ParticleNet).
  Sum,
  Mean,        ///< Over the jet's particles.
  PaddedMean,  ///< The sum divided by 100, as the published code of ParticleNet does.
};

/// Says where values are normalised beyond the published networks.
enum class Norm {
  None,   ///< As published: nowhere in the PFN, in the layers on particles of ParticleNet.
  Batch,  ///< Batch normalisation of the particles' features and of the input of the head.
};

std::string_view head_name(Head head) noexcept;  ///< "value", "quantiles", "gaussian", ...
Head parse_head(std::string_view name);          ///< Throws InvalidArgument for another name.
std::string_view pooling_name(Pooling pooling) noexcept;  ///< "standard", "sum", "mean", ...
Pooling parse_pooling(std::string_view name);             ///< Throws InvalidArgument.
std::string_view norm_name(Norm norm) noexcept;           ///< "none" or "batch"
Norm parse_norm(std::string_view name);                   ///< Throws InvalidArgument.

/// Sizes of a network; letters in the comments are those of the paper's search spaces.
struct ModelConfig {
  Network network = Network::Pfn;
  edm::InputMode input_mode = edm::InputMode::Paper;
  bool standardise =
      false;  ///< Features are shifted and scaled by the training set's mean and deviation.
  int particle_layers = 5;       ///< PFN only: N.
  int particle_units = 50;       ///< PFN only: n.
  int edge_blocks = 3;           ///< ParticleNet only: E.
  int neighbors = 16;            ///< ParticleNet only: k.
  int edge_layers = 3;           ///< ParticleNet only: N.
  int edge_units = 50;           ///< ParticleNet only: n.
  int embedding_layers = 2;      ///< ParticleTransformer only: linear layers before the blocks.
  int attention_blocks = 3;      ///< ParticleTransformer only.
  int attention_heads = 4;       ///< ParticleTransformer only: divides attention_units.
  int attention_units = 64;      ///< ParticleTransformer only: the width of a particle's row.
  int feed_forward_units = 128;  ///< ParticleTransformer only: hidden units after attention.
  int head_layers = 3;           ///< M.
  int head_units = 400;          ///< m.
  double dropout = 0;            ///< After every hidden layer of the head; 0 <= dropout < 1.

  // Beyond the paper. What stands here says "as published".
  edm::FeatureSet features = edm::FeatureSet::Published;
  edm::Reference target = edm::Reference::Jec;  ///< Which pT is corrected.
  bool skip = true;  ///< Raw target only: the conventional correction is added to the output.
  Head head = Head::Value;
  Pooling pooling = Pooling::Standard;
  Norm norm = Norm::None;
  bool flavor_head = false;  ///< One more output a flavor, for the loss of training alone.

  /// What the network is fed with.
  edm::InputOptions inputs() const noexcept { return {input_mode, features, target}; }

  bool operator==(const ModelConfig&) const = default;
};

/// Returns how many numbers the head's last layer gives: those of the head, then the flavors'.
std::int64_t num_head_outputs(Head head) noexcept;
std::int64_t num_outputs(const ModelConfig& config) noexcept;

/// Tells whether a network predicts a resolution beside y.
inline bool has_resolution(const ModelConfig& config) noexcept {
  return config.head != Head::Value;
}

/// Returns by what to multiply the network's own pooling of a jet with `num_particles` (sum for the
/// PFN, mean for ParticleNet) to get the pooling of the configuration.
float pooling_factor(const ModelConfig& config, std::int64_t num_particles) noexcept;

/// Throws Unimplemented, naming the field, when the configuration goes beyond the published
/// networks; `who` is what supports only those.
void require_published(const ModelConfig& config, std::string_view who);

/// Width of ParticleNet's feature convolution, fixed in the paper.
inline constexpr int kFeatureConvUnits = 32;

/// Columns of the particle features that make a particle's momentum for the pair quantities of
/// kernels/pair_quantities.h: ln pT and the distance from the jet in eta and in phi.
inline constexpr std::array<std::int64_t, 3> kMomentumFeatures{0, 2, 3};
static_assert(edm::kParticleFeatureNames[0] == "log_PF_pT" &&
              edm::kParticleFeatureNames[2] == "PF_dEta" &&
              edm::kParticleFeatureNames[3] == "PF_dPhi");

/// Returns a named configuration: paper-pfn, paper-particlenet (the paper's best trials),
/// transformer (of the size of paper-particlenet), small-pfn, small-particlenet, small-transformer.
/// Throws InvalidArgument, listing the names, for another one.
ModelConfig preset(std::string_view name);
std::vector<std::string> preset_names();

/// Throws InvalidArgument naming the first field that is out of range.
void validate(const ModelConfig& config);

#if __has_include(<nlohmann/json_fwd.hpp>)  // a machine that only checks its GPU may lack it
nlohmann::json to_json(const ModelConfig& config);
/// Throws InvalidArgument naming the field that is unknown or wrong; absent fields keep their
/// defaults.
ModelConfig model_config_from_json(const nlohmann::json& json);
#endif

/// Counts trainable parameters (paper: 355,351 and 123,469).
std::int64_t num_parameters(const ModelConfig& config);

/// Counts multiply-accumulates of linear layers for one jet as the paper does: every particle has k
/// neighbors, the first edge layer works on 2C inputs an edge, kNN not counted (paper, P =
/// 100: 1.374 M and 45.39 M). Attention counts its linear layers, the pairs' biases and the two
/// products of every pair, itself included.
std::int64_t macs_padded(const ModelConfig& config, std::int64_t num_particles = 100);

/// Counts what the ragged, factored forward pass computes for a jet of num_particles: min(k, n - 1)
/// neighbors, first edge layer per particle.
std::int64_t macs_ragged(const ModelConfig& config, std::int64_t num_particles);

}  // namespace jetcal::models
