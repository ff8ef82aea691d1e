// SPDX-License-Identifier: Apache-2.0
// Random jets and random networks for the tests of this room.
#pragma once

#include <cmath>
#include <cstdint>
#include <vector>

#include "jetcal/base/random.h"
#include "jetcal/models/model.h"

namespace jetcal::models {

/// Makes one jet for every entry of `sizes`, its number of particles.
inline edm::FeatureBatch random_jets(const std::vector<std::int64_t>& sizes, std::uint64_t seed,
                                     const edm::InputOptions& inputs = {}) {
  Rng rng(seed);
  edm::FeatureBatch batch;
  batch.particle_features = edm::num_particle_features(inputs);
  batch.jet_features = edm::num_jet_features(inputs);
  const auto draw = [&rng](double width) { return static_cast<float>(width * rng.normal()); };
  for (const std::int64_t size : sizes) {
    for (std::int64_t p = 0; p < size; ++p) {
      const float d_eta = draw(0.2);
      const float d_phi = draw(0.2);
      const float log_pt = draw(1.2);
      batch.points.insert(batch.points.end(), {d_eta, d_phi});
      batch.particles.insert(
          batch.particles.end(),
          {log_pt, log_pt - 4, d_eta, d_phi, std::atan2(d_phi, d_eta), std::hypot(d_eta, d_phi)});
      for (std::int64_t c = edm::kNumParticleFeatures; c < batch.particle_features; ++c)
        batch.particles.push_back(draw(1));
    }
    batch.offsets.push_back(batch.offsets.back() + size);
    for (std::int64_t c = 0; c < batch.jet_features; ++c) batch.jets.push_back(draw(1));
    batch.target.push_back(draw(0.1));
  }
  return batch;
}

/// Copies the jets `rows` of `batch`, in that order.
inline edm::FeatureBatch select(const edm::FeatureBatch& batch,
                                const std::vector<std::int64_t>& rows) {
  edm::FeatureBatch chosen;
  chosen.particle_features = batch.particle_features;
  chosen.jet_features = batch.jet_features;
  const auto copy = [](const std::vector<float>& from, std::int64_t begin, std::int64_t end,
                       std::int64_t channels, std::vector<float>& to) {
    to.insert(to.end(), from.begin() + begin * channels, from.begin() + end * channels);
  };
  for (const std::int64_t row : rows) {
    const std::int64_t begin = batch.offsets[row];
    const std::int64_t end = batch.offsets[row + 1];
    copy(batch.points, begin, end, edm::kNumPointCoordinates, chosen.points);
    copy(batch.particles, begin, end, batch.particle_features, chosen.particles);
    copy(batch.jets, row, row + 1, batch.jet_features, chosen.jets);
    chosen.offsets.push_back(chosen.offsets.back() + end - begin);
    chosen.target.push_back(batch.target[row]);
  }
  return chosen;
}

/// Makes a network whose batch norms do something: scales, shifts and running statistics are
/// random, and so is the standardisation where the configuration asks for one.
inline Model random_model(const ModelConfig& config, std::uint64_t seed) {
  Model model = initialise(config, seed);
  Rng rng(seed + 1);
  const auto draw = [&rng](double low, double high) {
    return static_cast<float>(low + (high - low) * rng.uniform());
  };
  for (const TensorSlice& slice : model.layout.parameters) {
    if (slice.name.find("norm.") == std::string::npos) continue;
    const bool scale = slice.name.ends_with(".weight");
    for (std::int64_t i = 0; i < slice.size; ++i) {
      model.parameters[slice.offset + i] = scale ? draw(0.5, 1.5) : draw(-0.3, 0.3);
    }
  }
  for (const TensorSlice& slice : model.layout.buffers) {
    const bool variance = slice.name.ends_with(".running_var");
    for (std::int64_t i = 0; i < slice.size; ++i) {
      model.buffers[slice.offset + i] = variance ? draw(0.5, 2) : draw(-0.3, 0.3);
    }
  }
  if (!config.standardise) return model;
  for (std::int64_t c = 0; c < edm::num_particle_features(config.inputs()); ++c) {
    model.standardisation.particle_mean.push_back(draw(-1, 1));
    model.standardisation.particle_deviation.push_back(draw(0.5, 2));
  }
  for (std::int64_t c = 0; c < edm::num_jet_features(config.inputs()); ++c) {
    model.standardisation.jet_mean.push_back(draw(-1, 1));
    model.standardisation.jet_deviation.push_back(draw(0.5, 2));
  }
  return model;
}

/// Small networks that have every kind of layer: for ParticleNet a block with shortcut weights and
/// one with the identity.
inline ModelConfig tiny(Network network) {
  ModelConfig config;
  config.network = network;
  config.particle_layers = 3;
  config.particle_units = 9;
  config.edge_blocks = 2;
  config.neighbors = 4;
  config.edge_layers = 3;
  config.edge_units = 7;
  config.attention_blocks = 2;
  config.attention_heads = 2;
  config.attention_units = 10;
  config.feed_forward_units = 13;
  config.head_layers = 2;
  config.head_units = 11;
  return config;
}

/// Goes beyond the paper wherever a configuration can.
inline ModelConfig beyond_paper(ModelConfig config) {
  config.features = edm::FeatureSet::Extended;
  config.target = edm::Reference::Raw;
  config.head = Head::Quantiles;
  config.pooling = config.network == Network::Pfn ? Pooling::Mean : Pooling::Sum;
  config.norm = Norm::Batch;
  config.flavor_head = true;
  return config;
}

}  // namespace jetcal::models
