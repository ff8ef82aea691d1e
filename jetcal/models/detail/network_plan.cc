// SPDX-License-Identifier: Apache-2.0
#include "jetcal/models/detail/network_plan.h"

#include <string>
#include <utility>

#include "jetcal/kernels/pair_constants.h"

namespace jetcal::models::detail {
namespace {

class Builder {
 public:
  explicit Builder(Layout& layout) : layout_(layout) {}

  LinearSlot linear(const std::string& name, std::int64_t in, std::int64_t out, bool bias) {
    LinearSlot slot{in, out, parameter(name + ".weight", {out, in}), -1};
    if (bias) slot.bias = parameter(name + ".bias", {out});
    return slot;
  }

  NormSlot norm(const std::string& name, std::int64_t channels) {
    NormSlot slot{channels, -1, -1, -1, -1};
    slot.scale = parameter(name + ".weight", {channels});
    slot.shift = parameter(name + ".bias", {channels});
    slot.mean = buffer(name + ".running_mean", {channels});
    slot.variance = buffer(name + ".running_var", {channels});
    return slot;
  }

  LayerNormSlot layer_norm(const std::string& name, std::int64_t channels) {
    LayerNormSlot slot{channels, -1, -1};
    slot.scale = parameter(name + ".weight", {channels});
    slot.shift = parameter(name + ".bias", {channels});
    return slot;
  }

  EdgeLayerSlot edge_layer(const std::string& name, std::int64_t in, std::int64_t out) {
    EdgeLayerSlot slot;
    slot.linear = linear(name, in, out, false);
    slot.norm = norm(name + ".norm", out);
    return slot;
  }

 private:
  static std::int64_t place(std::vector<TensorSlice>& slices, std::int64_t& total,
                            const std::string& name, std::vector<std::int64_t> shape) {
    std::int64_t size = 1;
    for (const std::int64_t extent : shape) size *= extent;
    slices.push_back({name, std::move(shape), total, size});
    return std::exchange(total, total + size);
  }
  std::int64_t parameter(const std::string& name, std::vector<std::int64_t> shape) {
    return place(layout_.parameters, layout_.num_parameters, name, std::move(shape));
  }
  std::int64_t buffer(const std::string& name, std::vector<std::int64_t> shape) {
    return place(layout_.buffers, layout_.num_buffers, name, std::move(shape));
  }

  Layout& layout_;
};

EdgeBlockSlot make_block(const ModelConfig& config, int index, std::int64_t in, Builder& builder) {
  const std::string name = "block" + std::to_string(index);
  EdgeBlockSlot block;
  block.in = in;
  std::int64_t width = 2 * in;
  for (int layer = 0; layer < config.edge_layers; ++layer) {
    block.layers.push_back(
        builder.edge_layer(name + ".edge" + std::to_string(layer), width, config.edge_units));
    width = config.edge_units;
  }
  if (in != config.edge_units) {
    block.shortcut = builder.edge_layer(name + ".shortcut", in, config.edge_units);
  }
  return block;
}

AttentionBlockSlot make_attention(const ModelConfig& config, int index, Builder& builder) {
  const std::string name = "attention" + std::to_string(index);
  const std::int64_t width = config.attention_units;
  AttentionBlockSlot block;
  block.norm = builder.layer_norm(name + ".norm", width);
  block.qkv = builder.linear(name + ".qkv", width, 3 * width, true);
  block.pair =
      builder.linear(name + ".pair", kernels::kPairQuantities, config.attention_heads, false);
  block.out = builder.linear(name + ".out", width, width, true);
  block.feed_norm = builder.layer_norm(name + ".feed_norm", width);
  block.expand = builder.linear(name + ".expand", width, config.feed_forward_units, true);
  block.contract = builder.linear(name + ".contract", config.feed_forward_units, width, true);
  return block;
}

TransformerSlots make_transformer(const ModelConfig& config, std::int64_t in, Builder& builder) {
  TransformerSlots slots;
  slots.heads = config.attention_heads;
  slots.units = config.attention_units / config.attention_heads;
  for (int layer = 0; layer < config.embedding_layers; ++layer) {
    slots.embedding.push_back(
        builder.linear("embedding" + std::to_string(layer), in, config.attention_units, true));
    in = config.attention_units;
  }
  for (int block = 0; block < config.attention_blocks; ++block) {
    slots.blocks.push_back(make_attention(config, block, builder));
  }
  slots.norm = builder.layer_norm("norm", config.attention_units);
  return slots;
}

}  // namespace

NetworkPlan make_plan(const ModelConfig& config) {
  NetworkPlan plan;
  Builder builder(plan.layout);
  plan.particle_features = edm::num_particle_features(config.inputs());
  plan.jet_features = edm::num_jet_features(config.inputs());
  plan.outputs = num_outputs(config);
  std::int64_t width = plan.particle_features;
  if (config.network == Network::Pfn) {
    if (config.norm == Norm::Batch) plan.input_norm = builder.norm("input_norm", width);
    for (int layer = 0; layer < config.particle_layers; ++layer) {
      plan.particle_layers.push_back(
          builder.linear("particle" + std::to_string(layer), width, config.particle_units, true));
      width = config.particle_units;
    }
  } else if (config.network == Network::ParticleTransformer) {
    plan.transformer = make_transformer(config, width, builder);
    width = config.attention_units;
  } else {
    plan.input_norm = builder.norm("input_norm", width);
    plan.feature = builder.linear("feature", width, kFeatureConvUnits, false);
    plan.feature_norm = builder.norm("feature.norm", kFeatureConvUnits);
    width = kFeatureConvUnits;
    for (int block = 0; block < config.edge_blocks; ++block) {
      plan.blocks.push_back(make_block(config, block, width, builder));
      width = config.edge_units;
    }
  }
  plan.pooled = width;
  width += plan.jet_features;
  if (config.norm == Norm::Batch) plan.head_norm = builder.norm("head_norm", width);
  for (int layer = 0; layer < config.head_layers; ++layer) {
    plan.head.push_back(
        builder.linear("head" + std::to_string(layer), width, config.head_units, true));
    width = config.head_units;
  }
  plan.head.push_back(
      builder.linear("head" + std::to_string(config.head_layers), width, plan.outputs, true));
  return plan;
}

}  // namespace jetcal::models::detail
