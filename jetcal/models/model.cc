// SPDX-License-Identifier: Apache-2.0
#include "jetcal/models/model.h"

#include <algorithm>
#include <cmath>

#include "jetcal/base/error.h"
#include "jetcal/base/random.h"
#include "jetcal/models/detail/network_plan.h"

namespace jetcal::models {
namespace {

// A spread below this part of the mean is rounding: float features carry 24 bits.
constexpr double kConstantSpread = 1e-6;

std::span<const float> find(const std::vector<TensorSlice>& slices,
                            const std::vector<float>& values, std::string_view name,
                            const char* kind) {
  for (const TensorSlice& slice : slices) {
    if (slice.name == name) {
      return std::span(values).subspan(static_cast<std::size_t>(slice.offset),
                                       static_cast<std::size_t>(slice.size));
    }
  }
  fail(ErrorCode::NotFound, "model has no ", kind, " named '", name, "'");
}

void accumulate(std::span<const float> rows, std::vector<double>& sum, std::vector<double>& sum2) {
  const std::size_t channels = sum.size();
  for (std::size_t i = 0; i < rows.size(); ++i) {
    const double value = rows[i];
    sum[i % channels] += value;
    sum2[i % channels] += value * value;
  }
}

void finish(const std::vector<double>& sum, const std::vector<double>& sum2, std::int64_t count,
            std::vector<float>& mean, std::vector<float>& deviation) {
  mean.assign(sum.size(), 0.0F);
  deviation.assign(sum.size(), 1.0F);
  if (count == 0) return;
  for (std::size_t c = 0; c < sum.size(); ++c) {
    const double average = sum[c] / static_cast<double>(count);
    const double variance = sum2[c] / static_cast<double>(count) - average * average;
    const double spread = std::sqrt(std::max(variance, 0.0));
    mean[c] = static_cast<float>(average);
    if (spread > kConstantSpread * std::abs(average)) deviation[c] = static_cast<float>(spread);
  }
}

void fill_uniform(std::span<float> values, double bound, Rng& rng) {
  for (float& value : values) value = static_cast<float>(bound * (2 * rng.uniform() - 1));
}

}  // namespace

Layout make_layout(const ModelConfig& config) { return detail::make_plan(config).layout; }

StandardisationFit::StandardisationFit(const edm::InputOptions& inputs)
    : particle_sum_(edm::num_particle_features(inputs)),
      particle_sum2_(particle_sum_.size()),
      jet_sum_(edm::num_jet_features(inputs)),
      jet_sum2_(jet_sum_.size()) {}

void StandardisationFit::add(const edm::FeatureView& features) {
  accumulate(features.particles, particle_sum_, particle_sum2_);
  accumulate(features.jets, jet_sum_, jet_sum2_);
  num_particles_ += features.num_particles();
  num_jets_ += features.num_jets();
}

Standardisation StandardisationFit::result() const {
  if (num_jets_ == 0) fail(ErrorCode::InvalidArgument, "standardisation: there are no jets to fit");
  Standardisation fit;
  finish(particle_sum_, particle_sum2_, num_particles_, fit.particle_mean, fit.particle_deviation);
  finish(jet_sum_, jet_sum2_, num_jets_, fit.jet_mean, fit.jet_deviation);
  return fit;
}

static void count_clipped(std::span<const float> x, std::span<const float> low,
                          std::span<const float> high, std::vector<std::int64_t>& counts) {
  counts.resize(low.size());
  for (std::size_t i = 0; i < x.size(); ++i) {
    const std::size_t c = i % low.size();
    counts[c] += x[i] < low[c] || x[i] > high[c] ? 1 : 0;
  }
}

void ClipCounts::add(const Standardisation& standardisation, const edm::FeatureView& features) {
  if (!standardisation.has_bounds()) return;
  count_clipped(features.particles, standardisation.particle_low, standardisation.particle_high,
                particles);
  count_clipped(features.jets, standardisation.jet_low, standardisation.jet_high, jets);
}

std::span<const float> Model::parameter(std::string_view name) const {
  return find(layout.parameters, parameters, name, "parameter");
}

std::span<const float> Model::buffer(std::string_view name) const {
  return find(layout.buffers, buffers, name, "buffer");
}

Model initialise(const ModelConfig& config, std::uint64_t seed) {
  validate(config);
  const detail::NetworkPlan plan = detail::make_plan(config);
  Model model;
  model.config = config;
  model.layout = plan.layout;
  // Scales of batch norm are the tensors left at one; linear layers overwrite theirs.
  model.parameters.assign(static_cast<std::size_t>(plan.layout.num_parameters), 0.0F);
  model.buffers.assign(static_cast<std::size_t>(plan.layout.num_buffers), 0.0F);
  Rng rng(seed);
  const auto fill_linear = [&](const detail::LinearSlot& layer) {
    const double bound = 1 / std::sqrt(static_cast<double>(layer.in));
    const std::span<float> all(model.parameters);
    fill_uniform(all.subspan(layer.weight, layer.in * layer.out), bound, rng);
    if (layer.bias >= 0) fill_uniform(all.subspan(layer.bias, layer.out), bound, rng);
  };
  const auto fill_norm = [&](const detail::NormSlot& norm) {
    std::fill_n(model.parameters.begin() + norm.scale, norm.channels, 1.0F);
    std::fill_n(model.buffers.begin() + norm.variance, norm.channels, 1.0F);
  };
  const auto fill_layer = [&](const detail::EdgeLayerSlot& layer) {
    fill_linear(layer.linear);
    fill_norm(layer.norm);
  };
  for (const detail::LinearSlot& layer : plan.particle_layers) fill_linear(layer);
  if (plan.input_norm.channels > 0) fill_norm(plan.input_norm);
  if (plan.head_norm.channels > 0) fill_norm(plan.head_norm);
  if (config.network == Network::ParticleNet) {
    fill_linear(plan.feature);
    fill_norm(plan.feature_norm);
  }
  for (const detail::EdgeBlockSlot& block : plan.blocks) {
    for (const detail::EdgeLayerSlot& layer : block.layers) fill_layer(layer);
    if (block.shortcut) fill_layer(*block.shortcut);
  }
  if (plan.transformer) {
    const auto fill_layer_norm = [&](const detail::LayerNormSlot& norm) {
      std::fill_n(model.parameters.begin() + norm.scale, norm.channels, 1.0F);
    };
    for (const detail::LinearSlot& layer : plan.transformer->embedding) fill_linear(layer);
    for (const detail::AttentionBlockSlot& block : plan.transformer->blocks) {
      fill_layer_norm(block.norm);
      fill_layer_norm(block.feed_norm);
      for (const auto* layer :
           {&block.qkv, &block.pair, &block.out, &block.expand, &block.contract}) {
        fill_linear(*layer);
      }
    }
    fill_layer_norm(plan.transformer->norm);
  }
  for (const detail::LinearSlot& layer : plan.head) fill_linear(layer);
  if (config.target == edm::Reference::Raw && config.skip) {
    // An output of 0 is the conventional correction: training starts there.
    const detail::LinearSlot& last = plan.head.back();
    std::fill_n(model.parameters.begin() + last.weight, last.in * last.out, 0.0F);
    std::fill_n(model.parameters.begin() + last.bias, last.out, 0.0F);
  }
  return model;
}

}  // namespace jetcal::models
