// SPDX-License-Identifier: Apache-2.0
#include "jetcal/onnx/detail/transformer_graph.h"

#include <cmath>
#include <span>
#include <string>
#include <vector>

#include "jetcal/kernels/pair_constants.h"

namespace jetcal::onnx::detail {
namespace {

using models::Dense;
using models::FoldedAttentionBlock;
using models::FoldedTransformer;

// What is added to it is far smaller, and a jet of nothing but padding still has a finite softmax.
constexpr float kForbidden = -1e30F;

class TransformerGraph {
 public:
  TransformerGraph(GraphBuilder& graph, const PaddedJets& jets, const models::ModelConfig& config)
      : graph_(graph),
        jets_(jets),
        heads_(config.attention_heads),
        units_(config.attention_units / config.attention_heads),
        features_(edm::num_particle_features(config.inputs())),
        valid_(graph.op("Unsqueeze", {jets.valid, graph.int_list({1})})),
        ones_(graph.floats("norm.ones", {config.attention_units},
                           std::vector<float>(config.attention_units, 1))) {
    add_pairs();
  }

  Value run(const FoldedTransformer& network) {
    Value x = jets_.rows;
    for (std::size_t i = 0; i < network.embedding.size(); ++i) {
      x = dense(x, "embedding" + std::to_string(i + 1), network.embedding[i],
                i + 1 < network.embedding.size());
    }
    for (std::size_t i = 0; i < network.blocks.size(); ++i) {
      x = block(x, "attention" + std::to_string(i + 1), network.blocks[i]);
    }
    return graph_.op("LayerNormalization",
                     {x, graph_.floats("norm.weight", {heads_ * units_}, network.scale),
                      graph_.floats("norm.bias", {heads_ * units_}, network.shift)});
  }

 private:
  Value add(const Value& a, const Value& b) { return graph_.op("Add", {a, b}); }
  Value subtract(const Value& a, const Value& b) { return graph_.op("Sub", {a, b}); }
  Value square(const Value& x) { return graph_.op("Mul", {x, x}); }
  Value transpose(const Value& x, std::vector<std::int64_t> order) {
    return graph_.op("Transpose", {x}, {{"perm", std::move(order)}});
  }
  Value reshape_to(const Value& x, const std::vector<Value>& sizes) {
    const Value shape = graph_.op("Concat", sizes, {{"axis", std::int64_t{0}}});
    return graph_.op("Reshape", {x, shape}, {{"allowzero", std::int64_t{1}}});
  }

  Value dense(const Value& rows, const std::string& name, const Dense& layer, bool relu) {
    return graph_.dense(rows, name, layer.in, layer.out, layer.weight, layer.bias, relu);
  }
  // Some outputs of a layer.
  Value dense_part(const Value& rows, const std::string& name, const Dense& layer,
                   std::int64_t first, std::int64_t count) {
    return graph_.dense(rows, name, layer.in, count,
                        std::span(layer.weight).subspan(first * layer.in, count * layer.in),
                        std::span(layer.bias).subspan(first, count), false);
  }
  Value normalise(const Value& x) { return graph_.op("LayerNormalization", {x, ones_}); }

  // Stacks ln dR, ln kT, ln z and ln m^2 of all pairs: float [N, 4, P * P].
  void add_pairs() {
    const Value rows = reshape_to(jets_.plain, {jets_.shape, graph_.int_list({features_})});
    std::vector<Value> own;     // [N, P, 1]: of particle i
    std::vector<Value> others;  // [N, 1, P]: of particle j
    for (const std::int64_t column : models::kMomentumFeatures) {
      own.push_back(
          graph_.op("Gather", {rows, graph_.int_list({column})}, {{"axis", std::int64_t{2}}}));
      others.push_back(transpose(own.back(), {0, 2, 1}));
    }
    const Value squared =
        add(add(square(subtract(own[1], others[1])), square(subtract(own[2], others[2]))),
            graph_.float_scalar(kernels::kSmallestSquaredDistance));
    const Value log_squared = graph_.op("Log", {squared});
    const Value distance = graph_.op("Mul", {log_squared, graph_.float_scalar(0.5F)});
    const Value smaller = graph_.op("Min", {own[0], others[0]});
    // ln z = -ln(1 + e^|d|) with d = ln pT_i - ln pT_j.
    const Value below = graph_.op("Neg", {graph_.op("Abs", {subtract(own[0], others[0])})});
    const Value share =
        subtract(below, graph_.op("Log", {add(graph_.op("Exp", {below}), graph_.float_scalar(1))}));
    std::vector<Value> stacked;
    for (const Value& quantity :
         {distance, add(smaller, distance), share, add(add(own[0], others[0]), log_squared)}) {
      stacked.push_back(graph_.op("Unsqueeze", {quantity, graph_.int_list({1})}));
    }
    num_jets_ = graph_.op("Gather", {jets_.shape, graph_.int_list({0})});
    slots_ = graph_.op("Gather", {jets_.shape, graph_.int_list({1})});
    pairs_ = reshape_to(graph_.op("Concat", stacked, {{"axis", std::int64_t{1}}}),
                        {num_jets_, graph_.int_list({kernels::kPairQuantities}),
                         graph_.op("Mul", {slots_, slots_})});
  }

  // Rows [N * P, H * u] to [N, P, H, u], and its axes to `order`.
  Value to_heads(const Value& rows, std::vector<std::int64_t> order) {
    return transpose(reshape_to(rows, {jets_.shape, graph_.int_list({heads_, units_})}),
                     std::move(order));
  }

  Value attend(const Value& x, const std::string& name, const FoldedAttentionBlock& block) {
    const std::int64_t width = heads_ * units_;
    const Value scale = graph_.float_scalar(1 / std::sqrt(static_cast<float>(units_)));
    const Value query =
        graph_.op("Mul", {dense_part(x, name + ".query", block.qkv, 0, width), scale});
    const Value key = dense_part(x, name + ".key", block.qkv, width, width);
    const Value value = dense_part(x, name + ".value", block.qkv, 2 * width, width);
    const Value weight =
        graph_.floats(name + ".pair.weight", {heads_, kernels::kPairQuantities}, block.pair_weight);
    const Value bias = reshape_to(graph_.op("MatMul", {weight, pairs_}),
                                  {num_jets_, graph_.int_list({heads_}), slots_, slots_});
    const Value scores = add(
        graph_.op("MatMul", {to_heads(query, {0, 2, 1, 3}), to_heads(key, {0, 2, 3, 1})}), bias);
    const Value allowed = graph_.op("Where", {valid_, scores, graph_.float_scalar(kForbidden)});
    const Value probability = graph_.op("Softmax", {allowed}, {{"axis", std::int64_t{3}}});
    const Value attended = graph_.op("MatMul", {probability, to_heads(value, {0, 2, 1, 3})});
    return graph_.reshape(transpose(attended, {0, 2, 1, 3}), {-1, width});
  }

  Value block(const Value& x, const std::string& name, const FoldedAttentionBlock& block) {
    const Value attended = attend(normalise(x), name, block);
    const Value middle = add(x, dense(attended, name + ".out", block.out, false));
    const Value hidden = dense(normalise(middle), name + ".expand", block.expand, true);
    return add(middle, dense(hidden, name + ".contract", block.contract, false));
  }

  GraphBuilder& graph_;
  const PaddedJets& jets_;
  std::int64_t heads_, units_, features_;
  Value valid_;  // bool [N, 1, 1, P]
  Value ones_;
  Value num_jets_, slots_;  // int64 [1]
  Value pairs_;
};

}  // namespace

Value add_transformer(GraphBuilder& graph, const PaddedJets& jets,
                      const models::FoldedModel& network) {
  return TransformerGraph(graph, jets, network.config).run(*network.transformer);
}

}  // namespace jetcal::onnx::detail
