// SPDX-License-Identifier: Apache-2.0
#include "jetcal/models/detail/inference_network.h"

#include <algorithm>
#include <array>

#include "jetcal/base/error.h"
#include "jetcal/kernels/knn.h"
#include "jetcal/kernels/segment.h"
#include "jetcal/models/feature_bounds.h"

namespace jetcal::models::detail {
namespace {

using kernels::Activation;
using kernels::LinearWeights;

// Whole jets are taken until a tile holds this many particles: their rows before and after a block
// stay in the second-level cache.
constexpr std::int64_t kTileParticles = 128;
// Particles of the PFN that pass all layers together: two buffers of them stay in the nearest
// caches.
constexpr std::int64_t kTileRows = 96;

LinearWeights weights_of(const Dense& dense) {
  return {dense.weight, dense.bias, dense.in, dense.out};
}

kernels::PackedEdgeConv pack(const FoldedEdgeBlock& block, kernels::Precision precision,
                             kernels::NodeInput input) {
  std::vector<LinearWeights> layers;
  for (const Dense& layer : block.layers) layers.push_back(weights_of(layer));
  std::optional<LinearWeights> shortcut;
  if (block.shortcut) shortcut = weights_of(*block.shortcut);
  return {weights_of(block.center), weights_of(block.neighbor), layers, shortcut, precision, input};
}

std::vector<kernels::RowLayer> pack(std::span<const Dense> layers) {
  std::vector<kernels::RowLayer> packed;
  for (const Dense& layer : layers) packed.emplace_back(weights_of(layer));
  return packed;
}

// Returns how many particle layers are float: the first one, for its inputs have a sign, and those
// of ParticleNet, which are few.
std::size_t num_float_layers(const FoldedModel& model, kernels::Precision precision) {
  const bool all =
      model.config.network == Network::ParticleNet || precision == kernels::Precision::Float32;
  return all ? model.particle_layers.size() : 1;
}

}  // namespace

InferenceNetwork::InferenceNetwork(const FoldedModel& model, kernels::Precision precision)
    : config_(model.config),
      network_(model.config.network),
      neighbors_(model.config.neighbors),
      particle_features_(model.num_particle_features),
      jet_features_(model.num_jet_features),
      num_outputs_(model.head.back().out),
      pooled_(model.head.front().in - jet_features_),
      head_stride_(
          std::max(kernels::row_length(model.head.front().in), kernels::row_length(pooled_))),
      precision_(precision),
      particle_low_(model.particle_low),
      particle_high_(model.particle_high),
      jet_low_(model.jet_low),
      jet_high_(model.jet_high),
      output_(weights_of(model.head.back())) {
  kernels::require_support(precision);
  if (model.transformer) {
    if (precision != kernels::Precision::Float32) {
      fail(ErrorCode::Unimplemented, "a ", network_name(network_),
           " predicts in float32 only, not in ", kernels::precision_name(precision));
    }
    transformer_.emplace(model);
  }
  const std::span<const Dense> hidden = std::span(model.head).first(model.head.size() - 1);
  const std::size_t num_float_hidden = precision == kernels::Precision::Float32
                                           ? hidden.size()
                                           : std::min<std::size_t>(1, hidden.size());
  head_ = pack(hidden.first(num_float_hidden));
  for (const Dense& layer : hidden.subspan(num_float_hidden)) {
    quantised_head_.emplace_back(weights_of(layer), kernels::unaveraged(precision));
  }
  const std::span<const Dense> layers = model.particle_layers;
  const std::size_t num_float = num_float_layers(model, precision);
  particle_layers_ = pack(layers.first(num_float));
  for (const Dense& layer : layers.subspan(num_float)) {
    quantised_layers_.emplace_back(weights_of(layer), precision);
  }
  for (const FoldedEdgeBlock& block : model.blocks) {
    const bool after_relu = !blocks_.empty() || !layers.empty();
    blocks_.push_back(pack(block, precision,
                           after_relu ? kernels::NodeInput::AfterRelu : kernels::NodeInput::Any));
  }
}

// Runs the first particle layers; returns their rows and sets the stride.
const float* InferenceNetwork::feature_rows(std::span<const float> particles, std::int64_t rows,
                                            std::int64_t layers, std::int64_t& stride,
                                            InferenceWorkspace& work) const {
  const std::int64_t size = rows * particle_features_;
  float* const bounded = kernels::room_for(work.features, size);
  bound_features(particles.first(static_cast<std::size_t>(size)), particle_low_, particle_high_,
                 bounded);
  const float* x = bounded;
  stride = particle_features_;
  for (std::int64_t l = 0; l < layers; ++l) {
    const kernels::RowLayer& layer = particle_layers_[l];
    float* const y = kernels::room_for(work.y, rows * layer.length());
    kernels::row_layer_forward(layer, rows, x, stride, y, layer.length(), Activation::Relu);
    std::swap(work.x, work.y);
    x = y;
    stride = layer.length();
  }
  return x;
}

void InferenceNetwork::sum_particles(const edm::FeatureView& features, std::int64_t begin,
                                     std::int64_t end, InferenceWorkspace& work,
                                     float* pooled) const {
  const std::int64_t first = features.offsets[begin];
  const std::int64_t count = features.offsets[end] - first;
  work.segments.resize(static_cast<std::size_t>(count));
  for (std::int64_t jet = begin; jet < end; ++jet) {
    std::fill(work.segments.begin() + (features.offsets[jet] - first),
              work.segments.begin() + (features.offsets[jet + 1] - first),
              static_cast<std::int32_t>(jet - begin));
  }
  const bool quantised = !quantised_layers_.empty();
  for (std::int64_t row = 0; row < count; row += kTileRows) {
    const std::int64_t rows = std::min(kTileRows, count - row);
    const std::int32_t* const segments = work.segments.data() + row;
    std::int64_t stride = 0;
    const float* const x =
        feature_rows(features.particles.subspan((first + row) * particle_features_), rows,
                     std::ssize(particle_layers_) - (quantised ? 0 : 1), stride, work);
    if (quantised) {
      sum_quantised(rows, x, stride, segments, work, pooled);
    } else {
      kernels::row_layer_sum(particle_layers_.back(), rows, x, stride, segments, pooled,
                             head_stride_);
    }
  }
}

// Runs the quantised particle layers and adds up their results.
void InferenceNetwork::sum_quantised(std::int64_t rows, const float* x, std::int64_t stride,
                                     const std::int32_t* segments, InferenceWorkspace& work,
                                     float* pooled) const {
  for (std::size_t l = 0; l + 1 < quantised_layers_.size(); ++l) {
    const kernels::QuantisedLayer& layer = quantised_layers_[l];
    kernels::quantise_rows(precision_, rows, layer.in(), x, stride, work.quantised);
    float* const y = kernels::room_for(work.y, rows * layer.length());
    kernels::row_layer_forward(layer, rows, work.quantised, y, layer.length(), Activation::Relu);
    x = y;
    stride = layer.length();
  }
  const kernels::QuantisedLayer& last = quantised_layers_.back();
  kernels::quantise_rows(precision_, rows, last.in(), x, stride, work.quantised);
  kernels::row_layer_sum(last, rows, work.quantised, segments, pooled, head_stride_);
}

// Replaces the tile's particles in work.x by the block's output.
void InferenceNetwork::run_block(const kernels::PackedEdgeConv& block,
                                 std::span<const float> coordinates, std::int64_t dimensions,
                                 std::int64_t coordinate_stride, InferenceWorkspace& work) const {
  const std::int64_t rows = work.offsets.back();
  work.neighbors.resize(static_cast<std::size_t>(rows * neighbors_));
  kernels::knn(coordinates, dimensions, coordinate_stride, work.offsets, neighbors_,
               work.neighbors);
  kernels::edge_conv_forward(block, rows, work.x.data(), kernels::row_length(block.in()),
                             work.neighbors.data(), neighbors_,
                             kernels::room_for(work.y, rows * block.length()), work.edges);
  std::swap(work.x, work.y);
}

// Notes where the tile's jets start in it.
void InferenceNetwork::start_tile(const edm::FeatureView& features, std::int64_t begin,
                                  std::int64_t end, InferenceWorkspace& work) const {
  work.offsets.clear();
  for (std::int64_t jet = begin; jet <= end; ++jet) {
    work.offsets.push_back(features.offsets[jet] - features.offsets[begin]);
  }
}

// Averages the rows of each of the tile's jets, `stride` apart.
void InferenceNetwork::average_tile(const InferenceWorkspace& work, const float* rows,
                                    std::int64_t stride, float* pooled) const {
  for (std::int64_t jet = 0; jet + 1 < std::ssize(work.offsets); ++jet) {
    const std::int64_t from = work.offsets[jet];
    const std::int64_t size = work.offsets[jet + 1] - from;
    kernels::segment_mean({rows + from * stride, static_cast<std::size_t>(size * stride)},
                          std::array<std::int64_t, 2>{0, size}, stride,
                          std::span(pooled + jet * head_stride_, stride));
  }
}

void InferenceNetwork::convolve_particles(const edm::FeatureView& features, std::int64_t begin,
                                          std::int64_t end, InferenceWorkspace& work,
                                          float* pooled) const {
  start_tile(features, begin, end, work);
  const std::int64_t first = features.offsets[begin];
  const std::int64_t rows = work.offsets.back();
  std::int64_t stride = 0;
  feature_rows(features.particles.subspan(first * particle_features_), rows,
               std::ssize(particle_layers_), stride, work);
  std::span<const float> coordinates =
      features.points.subspan(first * edm::kNumPointCoordinates, rows * edm::kNumPointCoordinates);
  std::int64_t dimensions = edm::kNumPointCoordinates;
  stride = dimensions;
  for (const kernels::PackedEdgeConv& block : blocks_) {
    run_block(block, coordinates, dimensions, stride, work);
    dimensions = block.out();
    stride = block.length();
    coordinates = std::span(work.x).first(static_cast<std::size_t>(rows * stride));
  }
  average_tile(work, coordinates.data(), stride, pooled);
}

// Runs the tile through the transformer.
void InferenceNetwork::attend_particles(const edm::FeatureView& features, std::int64_t begin,
                                        std::int64_t end, InferenceWorkspace& work,
                                        float* pooled) const {
  start_tile(features, begin, end, work);
  const std::span<const float> particles = features.particles.subspan(
      features.offsets[begin] * particle_features_, work.offsets.back() * particle_features_);
  const float* const rows = transformer_->forward(particles, work.offsets, work.transformer);
  average_tile(work, rows, transformer_->stride(), pooled);
}

void InferenceNetwork::pool_jets(const edm::FeatureView& features, std::int64_t begin,
                                 std::int64_t end, InferenceWorkspace& work) const {
  const auto grow = static_cast<std::size_t>((work.num_pooled + end - begin) * head_stride_);
  if (work.pooled.size() < grow) work.pooled.resize(grow);
  float* const pooled = work.pooled.data() + work.num_pooled * head_stride_;
  std::fill_n(pooled, (end - begin) * head_stride_, 0.0F);
  if (network_ == Network::Pfn) {
    sum_particles(features, begin, end, work, pooled);
  } else {
    for (std::int64_t tile = begin; tile < end;) {
      std::int64_t last = tile + 1;
      while (last < end && features.offsets[last + 1] - features.offsets[tile] <= kTileParticles) {
        ++last;
      }
      float* const rows = pooled + (tile - begin) * head_stride_;
      if (transformer_) {
        attend_particles(features, tile, last, work, rows);
      } else {
        convolve_particles(features, tile, last, work, rows);
      }
      tile = last;
    }
  }
  if (config_.pooling != Pooling::Standard) scale_pooled(features, begin, end, pooled);
  work.jets.resize(static_cast<std::size_t>(work.num_pooled));
  for (std::int64_t jet = begin; jet < end; ++jet) {
    bound_features(features.jets.subspan(jet * jet_features_, jet_features_), jet_low_, jet_high_,
                   pooled + (jet - begin) * head_stride_ + pooled_);
    work.jets.push_back(jet);
  }
  work.num_pooled += end - begin;
}

void InferenceNetwork::scale_pooled(const edm::FeatureView& features, std::int64_t begin,
                                    std::int64_t end, float* pooled) const {
  for (std::int64_t jet = begin; jet < end; ++jet) {
    const float factor = pooling_factor(config_, features.offsets[jet + 1] - features.offsets[jet]);
    float* const row = pooled + (jet - begin) * head_stride_;
    std::transform(row, row + pooled_, row, [factor](float value) { return factor * value; });
  }
}

void InferenceNetwork::run_head(InferenceWorkspace& work, std::span<float> outputs) const {
  const std::int64_t rows = work.num_pooled;
  const float* x = work.pooled.data();
  std::int64_t stride = head_stride_;
  const auto room = [&](std::int64_t length) {
    return kernels::room_for(work.next_head, rows * length);
  };
  const auto go_on = [&](std::int64_t length) {
    std::swap(work.head, work.next_head);
    x = work.head.data();
    stride = length;
  };
  for (const kernels::RowLayer& layer : head_) {
    kernels::row_layer_forward(layer, rows, x, stride, room(layer.length()), layer.length(),
                               Activation::Relu);
    go_on(layer.length());
  }
  for (const kernels::QuantisedLayer& layer : quantised_head_) {
    kernels::quantise_rows(layer.precision(), rows, layer.in(), x, stride, work.quantised);
    kernels::row_layer_forward(layer, rows, work.quantised, room(layer.length()), layer.length(),
                               Activation::Relu);
    go_on(layer.length());
  }
  kernels::row_layer_forward(output_, rows, x, stride, room(output_.length()), output_.length(),
                             Activation::None);
  go_on(output_.length());
  for (std::int64_t row = 0; row < rows; ++row) {
    std::copy_n(x + row * stride, num_outputs_, outputs.data() + work.jets[row] * num_outputs_);
  }
  work.num_pooled = 0;
}

}  // namespace jetcal::models::detail
