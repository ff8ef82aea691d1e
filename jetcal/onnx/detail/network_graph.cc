// SPDX-License-Identifier: Apache-2.0
#include "jetcal/onnx/detail/network_graph.h"

#include <limits>
#include <string>
#include <vector>

#include "jetcal/edm/features.h"
#include "jetcal/onnx/detail/prediction_graph.h"
#include "jetcal/onnx/detail/transformer_graph.h"

namespace jetcal::onnx::detail {
namespace {

using models::Dense;
using models::FoldedEdgeBlock;
using models::FoldedModel;
using ::onnx::TensorProto;

// Marks pairs that are no neighbors.
constexpr float kInfinity = std::numeric_limits<float>::infinity();

/// What every part of the graph needs to know about the padded batch.
struct Batch {
  Value valid;        // bool [N, 1, P]
  Value valid_rows;   // bool [N * P, 1]
  Value shape;        // int64 [2]: N, P
  Value num_jets;     // int64 scalar
  Value slots;        // int64 scalar: P
  Value slots_1d;     // int64 [1]
  Value num_rows;     // int64 [1]: N * P
  Value forbidden;    // bool [N, P, P]: j is padding or i itself (ParticleNet)
  Value num_nearest;  // int64 [1]: min(k, P) (ParticleNet)
  Value row_offset;   // int64 [N, 1, 1]: n * P (ParticleNet)
};

Value dense(GraphBuilder& graph, const Value& rows, const std::string& name, const Dense& layer,
            bool relu, bool with_bias = true) {
  return graph.dense(rows, name, layer.in, layer.out, layer.weight,
                     with_bias ? std::span<const float>(layer.bias) : std::span<const float>(),
                     relu);
}

Batch add_batch(GraphBuilder& graph, const Value& mask) {
  Batch batch;
  batch.valid = graph.cast(mask, TensorProto::BOOL);
  batch.valid_rows = graph.reshape(batch.valid, {-1, 1});
  const Value shape = graph.op("Shape", {mask});
  batch.shape = graph.op("Gather", {shape, graph.int_list({0, 2})});
  batch.num_jets = graph.op("Gather", {shape, graph.int_scalar(0)});
  batch.slots = graph.op("Gather", {shape, graph.int_scalar(2)});
  batch.slots_1d = graph.op("Gather", {shape, graph.int_list({2})});
  batch.num_rows =
      graph.op("Mul", {graph.op("Gather", {shape, graph.int_list({0})}), batch.slots_1d});
  return batch;
}

// Who may be whose neighbor does not depend on the block.
void add_neighborhood(GraphBuilder& graph, Batch& batch, int neighbors) {
  const Value index = graph.op("Range", {graph.int_scalar(0), batch.slots, graph.int_scalar(1)});
  const Value itself =
      graph.op("Equal", {graph.reshape(index, {1, -1, 1}), graph.reshape(index, {1, 1, -1})});
  batch.forbidden = graph.op("Or", {graph.op("Not", {batch.valid}), itself});
  batch.num_nearest = graph.op("Min", {batch.slots_1d, graph.int_list({neighbors})});
  const Value jet = graph.op("Range", {graph.int_scalar(0), batch.num_jets, graph.int_scalar(1)});
  batch.row_offset = graph.reshape(graph.op("Mul", {jet, batch.slots}), {-1, 1, 1});
}

// Turns a padded input [N, C, P] into rows [N * P, C] with zeros under the padding.
Value particle_rows(GraphBuilder& graph, const Batch& batch, const Value& input,
                    std::int64_t channels) {
  const Value rows =
      graph.reshape(graph.op("Transpose", {input}, {{"perm", std::vector<std::int64_t>{0, 2, 1}}}),
                    {-1, channels});
  return graph.op("Where", {batch.valid_rows, rows, graph.float_scalar(0)});
}

// Clips rows [R, C] to the bounds of a model, feature by feature; Clip itself takes scalars only.
Value clip(GraphBuilder& graph, const Value& rows, const std::string& name,
           const std::vector<float>& low, const std::vector<float>& high) {
  if (low.empty()) return rows;
  const std::vector<std::int64_t> shape{std::ssize(low)};
  const Value raised = graph.op("Max", {rows, graph.floats(name + ".low", shape, low)});
  return graph.op("Min", {raised, graph.floats(name + ".high", shape, high)});
}

// Reshapes to sizes that are known when the graph runs; a size may be 0, for batches without slots.
Value reshape_to(GraphBuilder& graph, const Value& value, const std::vector<Value>& sizes) {
  const Value shape = graph.op("Concat", sizes, {{"axis", std::int64_t{0}}});
  return graph.op("Reshape", {value, shape}, {{"allowzero", std::int64_t{1}}});
}

Value to_jets(GraphBuilder& graph, const Batch& batch, const Value& rows, std::int64_t channels) {
  return reshape_to(graph, rows, {batch.shape, graph.int_list({channels})});
}

// Squared distances float [N, P, P] of points in the plane with the rounding of the native kernel,
// fma(d1, d1, d0 * d0): double holds d1 * d1 exactly, so the sum is rounded once more, to float.
// Equal distances stay equal and go to the lower index in both.
Value plane_distances(GraphBuilder& graph, const Value& points) {
  std::vector<Value> differences;
  for (const std::int64_t axis : {0, 1}) {
    const Value coordinate = graph.op("Gather", {points, graph.int_list({axis})},
                                      {{"axis", std::int64_t{2}}});  // [N, P, 1]
    const Value across =
        graph.op("Transpose", {coordinate}, {{"perm", std::vector<std::int64_t>{0, 2, 1}}});
    differences.push_back(graph.op("Sub", {coordinate, across}));
  }
  const Value first = graph.op("Mul", {differences[0], differences[0]});
  const Value second = graph.cast(differences[1], TensorProto::DOUBLE);
  const Value sum =
      graph.op("Add", {graph.cast(first, TensorProto::DOUBLE), graph.op("Mul", {second, second})});
  return graph.cast(sum, TensorProto::FLOAT);
}

// Squared distances double [N, P, P] less |x_i|^2, which does not change the order of a row's
// neighbors.
// In double the expansion |x_j|^2 - 2 x_i x_j keeps the order that direct differences give.
Value feature_distances(GraphBuilder& graph, const Value& features) {
  const Value across =
      graph.op("Transpose", {features}, {{"perm", std::vector<std::int64_t>{0, 2, 1}}});
  const Value squares =
      graph.op("ReduceSumSquare", {across},
               {{"axes", std::vector<std::int64_t>{1}}, {"keepdims", std::int64_t{1}}});
  const Value products =
      graph.op("MatMul", {graph.op("Mul", {features, graph.double_scalar(-2)}), across});
  return graph.op("Add", {products, squares});
}

struct Neighbors {
  Value rows;     // int64 [N * P, K]: rows of the neighbors
  Value weights;  // float [N * P, 1, K]: 1 / count where the neighbor exists, 0 elsewhere
};

Neighbors add_nearest(GraphBuilder& graph, const Batch& batch, const Value& distances,
                      const Value& no_neighbor) {
  const Value allowed = graph.op("Where", {batch.forbidden, no_neighbor, distances});
  const auto [nearest, index] = graph.op2(
      "TopK", {allowed, batch.num_nearest},
      {{"axis", std::int64_t{-1}}, {"largest", std::int64_t{0}}, {"sorted", std::int64_t{0}}});
  const std::vector<Value> row_sizes{batch.num_rows, batch.num_nearest};
  const Value exists = graph.cast(
      reshape_to(graph, graph.op("Less", {nearest, no_neighbor}), row_sizes), TensorProto::FLOAT);
  const Value count = graph.op("ReduceSum", {exists, graph.int_list({1})});
  const Value weights = graph.op("Div", {exists, graph.op("Max", {count, graph.float_scalar(1)})});
  return {reshape_to(graph, graph.op("Add", {index, batch.row_offset}), row_sizes),
          graph.op("Unsqueeze", {weights, graph.int_list({1})})};
}

Value add_edge_block(GraphBuilder& graph, const Batch& batch, const Value& rows,
                     const Neighbors& neighbors, const FoldedEdgeBlock& block,
                     const std::string& name) {
  // The first edge layer is linear in x_i and x_j, so it runs once a particle, not once an edge.
  const Value center = dense(graph, rows, name + ".center", block.center, false);
  const Value neighbor = dense(graph, rows, name + ".neighbor", block.neighbor, false, false);
  const Value gathered = graph.op("Gather", {neighbor, neighbors.rows});  // [N * P, K, C]
  Value edges = graph.op(
      "Relu", {graph.op("Add", {gathered, graph.op("Unsqueeze", {center, graph.int_list({1})})})});
  std::int64_t channels = block.center.out;
  if (!block.layers.empty()) {
    edges = graph.reshape(edges, {-1, channels});
    for (std::size_t i = 0; i < block.layers.size(); ++i) {
      std::string layer = name;
      layer.append(".edge").append(std::to_string(i + 1));
      edges = dense(graph, edges, layer, block.layers[i], true);
      channels = block.layers[i].out;
    }
    edges =
        reshape_to(graph, edges, {batch.num_rows, batch.num_nearest, graph.int_list({channels})});
  }
  const Value mean = graph.reshape(graph.op("MatMul", {neighbors.weights, edges}), {-1, channels});
  const Value shortcut =
      block.shortcut ? dense(graph, rows, name + ".shortcut", *block.shortcut, false) : rows;
  return graph.op("Relu", {graph.op("Add", {mean, shortcut})});
}

Value add_edge_blocks(GraphBuilder& graph, Batch& batch, Value rows, std::int64_t channels,
                      const Value& points, const FoldedModel& network) {
  add_neighborhood(graph, batch, network.config.neighbors);
  Value coordinates = points;
  for (std::size_t i = 0; i < network.blocks.size(); ++i) {
    const FoldedEdgeBlock& block = network.blocks[i];
    const Neighbors neighbors =
        i == 0 ? add_nearest(graph, batch, plane_distances(graph, coordinates),
                             graph.float_scalar(kInfinity))
               : add_nearest(graph, batch,
                             feature_distances(graph, graph.cast(coordinates, TensorProto::DOUBLE)),
                             graph.double_scalar(kInfinity));
    rows = add_edge_block(graph, batch, rows, neighbors, block, "block" + std::to_string(i + 1));
    channels = block.layers.empty() ? block.center.out : block.layers.back().out;
    if (i + 1 < network.blocks.size()) coordinates = to_jets(graph, batch, rows, channels);
  }
  return rows;
}

// Sums or averages the real particles of each jet: [N, C].
Value add_pooling(GraphBuilder& graph, const Batch& batch, const Value& rows, std::int64_t channels,
                  models::Pooling pooling) {
  Value weights = graph.cast(batch.valid, TensorProto::FLOAT);  // [N, 1, P]
  if (pooling == models::Pooling::PaddedMean) {
    const auto slots = static_cast<float>(edm::kPaperMaxParticles);
    weights = graph.op("Mul", {weights, graph.float_scalar(1.0F / slots)});
  }
  if (pooling == models::Pooling::Mean) {
    const Value count = graph.op("ReduceSum", {weights, graph.int_list({2})});
    weights = graph.op("Div", {weights, graph.op("Max", {count, graph.float_scalar(1)})});
  }
  const Value pooled = graph.op("MatMul", {weights, to_jets(graph, batch, rows, channels)});
  return graph.op("Squeeze", {pooled, graph.int_list({1})});
}

models::Pooling pooling_of(const models::ModelConfig& config) {
  if (config.pooling != models::Pooling::Standard) return config.pooling;
  return config.network == models::Network::Pfn ? models::Pooling::Sum : models::Pooling::Mean;
}

// Everything up to the numbers of the head's last layer, [N, outputs].
Value add_layers(GraphBuilder& graph, const FoldedModel& network, const Value& jet_features) {
  const bool particle_net = network.config.network == models::Network::ParticleNet;
  Value points;
  if (particle_net) points = "pf_points";
  Batch batch = add_batch(graph, "pf_mask");
  const Value plain = particle_rows(graph, batch, "pf_features", network.num_particle_features);
  Value rows = clip(graph, plain, "particles", network.particle_low, network.particle_high);
  std::int64_t channels = network.num_particle_features;
  for (std::size_t i = 0; i < network.particle_layers.size(); ++i) {
    const Dense& layer = network.particle_layers[i];
    rows = dense(graph, rows, "particle" + std::to_string(i + 1), layer, true);
    channels = layer.out;
  }
  if (particle_net) {
    const Value plane =
        to_jets(graph, batch, particle_rows(graph, batch, points, edm::kNumPointCoordinates),
                edm::kNumPointCoordinates);
    rows = add_edge_blocks(graph, batch, rows, channels, plane, network);
    if (!network.blocks.empty()) {
      const FoldedEdgeBlock& last = network.blocks.back();
      channels = last.layers.empty() ? last.center.out : last.layers.back().out;
    }
  }
  if (network.transformer) {
    rows = add_transformer(graph, {rows, plain, batch.valid, batch.shape}, network);
    channels = network.config.attention_units;
  }
  const Value pooled = add_pooling(graph, batch, rows, channels, pooling_of(network.config));
  const Value jets = clip(graph, jet_features, "jets", network.jet_low, network.jet_high);
  Value head = graph.op("Concat", {pooled, jets}, {{"axis", std::int64_t{1}}});
  for (std::size_t i = 0; i < network.head.size(); ++i) {
    const bool last = i + 1 == network.head.size();
    head = dense(graph, head, "head" + std::to_string(i + 1), network.head[i], !last);
  }
  return head;
}

}  // namespace

void add_network(GraphBuilder& graph, const FoldedModel& network) {
  if (network.config.network == models::Network::ParticleNet)
    graph.input("pf_points", {"N", edm::kNumPointCoordinates, "P"});
  graph.input("pf_features", {"N", network.num_particle_features, "P"});
  graph.input("pf_mask", {"N", std::int64_t{1}, "P"});
  const Value jet_features = graph.input("jet_features", {"N", network.num_jet_features});
  const Predictions made =
      add_predictions(graph, network, add_layers(graph, network, jet_features), jet_features);
  graph.output(graph.named("output", "Identity", {made.y}), {"N", std::int64_t{1}});
  if (!made.resolution.empty())
    graph.output(graph.named("resolution", "Identity", {made.resolution}), {"N", std::int64_t{1}});
}

}  // namespace jetcal::onnx::detail
