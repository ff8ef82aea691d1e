// SPDX-License-Identifier: Apache-2.0
#include "jetcal/cuda/detail/network_layout.h"

#include <algorithm>
#include <string>

#include "jetcal/base/error.h"
#include "jetcal/cuda/detail/rows.h"

namespace jetcal::cuda::detail {
namespace {

class Builder {
 public:
  explicit Builder(NetworkLayout& layout) : layout_(layout) {}

  LinearPlace linear(const std::string& name, std::int64_t in, std::int64_t out, bool with_bias) {
    const std::int64_t weight = parameter(name + ".weight", in * out);
    LinearPlace place = room(in, out);
    if (with_bias) place.bias = parameter(name + ".bias", out);
    copy(weight, place.weight, out, in, in, place.in);
    return place;
  }

  // A first head layer: pooled particles are padded before the jet features follow.
  LinearPlace joined_linear(const std::string& name, std::int64_t pooled, std::int64_t out) {
    const std::int64_t in = pooled + edm::kNumJetFeatures;
    const std::int64_t weight = parameter(name + ".weight", in * out);
    LinearPlace place;
    place.in = padded(pooled) + padded(edm::kNumJetFeatures);
    place.out = padded(out);
    place.real_out = out;
    place.weight = take(place.in * place.out);
    place.bias = parameter(name + ".bias", out);
    copy(weight, place.weight, out, pooled, in, place.in);
    copy(weight + pooled, place.weight + padded(pooled), out, edm::kNumJetFeatures, in, place.in);
    return place;
  }

  EdgeLayerPlace edge_layer(const std::string& name, std::int64_t in, std::int64_t out) {
    return {linear(name, in, out, false), norm(name + ".norm", out)};
  }

  EdgeLayerPlace first_edge_layer(const std::string& name, std::int64_t in, std::int64_t out) {
    const std::int64_t weight = parameter(name + ".weight", 2 * in * out);
    EdgeLayerPlace layer;
    LinearPlace& place = layer.linear;
    place.in = padded(in);
    place.out = padded(out);
    place.real_out = out;
    place.weight = take(2 * place.in * place.out);
    ImageCopy factors{weight, place.weight, out, in, 2 * in, place.in, place.in * place.out};
    layout_.copies.push_back(factors);
    layer.norm = norm(name + ".norm", out);
    return layer;
  }

  NormPlace norm(const std::string& name, std::int64_t channels) {
    NormPlace place;
    place.channels = padded(channels);
    place.real_channels = channels;
    place.gamma = parameter(name + ".weight", channels);
    place.beta = parameter(name + ".bias", channels);
    place.mean = find(layout_.flat.buffers, name + ".running_mean", channels);
    place.variance = find(layout_.flat.buffers, name + ".running_var", channels);
    place.index = layout_.num_norms++;
    layout_.norm_channels += place.channels;
    return place;
  }

 private:
  static std::int64_t find(const std::vector<models::TensorSlice>& slices, const std::string& name,
                           std::int64_t size) {
    const auto found = std::find_if(slices.begin(), slices.end(),
                                    [&](const auto& slice) { return slice.name == name; });
    if (found == slices.end() || found->size != size) {
      fail(ErrorCode::Internal, "the network's layout has no '", name, "' of ", size, " values");
    }
    return found->offset;
  }
  std::int64_t parameter(const std::string& name, std::int64_t size) const {
    return find(layout_.flat.parameters, name, size);
  }
  // Widths are multiples of eight, so every matrix of the image is aligned as the first.
  std::int64_t take(std::int64_t size) {
    const std::int64_t place = layout_.image_size;
    layout_.image_size += size;
    return place;
  }
  LinearPlace room(std::int64_t in, std::int64_t out) {
    LinearPlace place{padded(in), padded(out), out, -1, -1};
    place.weight = take(place.in * place.out);
    return place;
  }
  void copy(std::int64_t flat, std::int64_t image, std::int64_t rows, std::int64_t columns,
            std::int64_t flat_pitch, std::int64_t image_pitch) {
    layout_.copies.push_back({flat, image, rows, columns, flat_pitch, image_pitch, 0});
  }

  NetworkLayout& layout_;
};

BlockPlace make_block(const models::ModelConfig& config, int index, std::int64_t in,
                      Builder& builder) {
  const std::string name = "block" + std::to_string(index);
  const std::int64_t out = config.edge_units;
  BlockPlace block;
  block.in = padded(in);
  block.out = padded(out);
  block.real_in = in;
  block.layers.push_back(builder.first_edge_layer(name + ".edge0", in, out));
  for (int layer = 1; layer < config.edge_layers; ++layer) {
    block.layers.push_back(builder.edge_layer(name + ".edge" + std::to_string(layer), out, out));
  }
  if (in != out) block.shortcut = builder.edge_layer(name + ".shortcut", in, out);
  return block;
}

}  // namespace

NetworkLayout make_layout(const models::ModelConfig& config) {
  models::validate(config);
  models::require_published(config, "training on a GPU");
  NetworkLayout layout;
  layout.config = config;
  layout.flat = models::make_layout(config);
  Builder builder(layout);
  std::int64_t width = edm::kNumParticleFeatures;
  layout.particle_width = padded(width);
  if (config.network == models::Network::Pfn) {
    for (int layer = 0; layer < config.particle_layers; ++layer) {
      layout.particle_layers.push_back(
          builder.linear("particle" + std::to_string(layer), width, config.particle_units, true));
      width = config.particle_units;
    }
  } else {
    layout.input_norm = builder.norm("input_norm", width);
    layout.feature = builder.linear("feature", width, models::kFeatureConvUnits, false);
    layout.feature_norm = builder.norm("feature.norm", models::kFeatureConvUnits);
    width = models::kFeatureConvUnits;
    for (int block = 0; block < config.edge_blocks; ++block) {
      layout.blocks.push_back(make_block(config, block, width, builder));
      width = config.edge_units;
    }
  }
  layout.pooled = padded(width);
  layout.joined = layout.pooled + padded(edm::kNumJetFeatures);
  for (int layer = 0; layer <= config.head_layers; ++layer) {
    const std::string name = "head" + std::to_string(layer);
    const std::int64_t out = layer < config.head_layers ? config.head_units : 1;
    layout.head.push_back(layer == 0 ? builder.joined_linear(name, width, out)
                                     : builder.linear(name, config.head_units, out, true));
  }
  return layout;
}

}  // namespace jetcal::cuda::detail
