// SPDX-License-Identifier: Apache-2.0
// An EdgeConv block for inference: edges live in cache only, some particles' at a time.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "jetcal/kernels/quantised_layer.h"
#include "jetcal/kernels/row_layer.h"

namespace jetcal::kernels {

/// Says what a block's input may be: levels of fewer bits than float have no sign.
enum class NodeInput { Any, AfterRelu };

/// Holds an EdgeConv block with its first edge layer factored: relu(center(x_i) + neighbor(x_j)),
/// then relu(layer) for each of `layers`, mean over the neighbors j, plus shortcut(x_i) (x_i itself
/// where there is none), relu. `precision` is that of `layers`, where nearly all the work is, and,
/// unaveraged(), of center, neighbor and shortcut where the input comes after a relu; the rest is
/// float. Valid for the variant in use when it was made.
class PackedEdgeConv {
 public:
  PackedEdgeConv(const LinearWeights& center, const LinearWeights& neighbor,
                 std::span<const LinearWeights> layers,
                 const std::optional<LinearWeights>& shortcut,
                 Precision precision = Precision::Float32, NodeInput input = NodeInput::Any);
  std::int64_t in() const noexcept { return in_; }
  std::int64_t out() const noexcept { return out_; }
  std::int64_t length() const noexcept { return length_; }  ///< row_length(out)

 private:
  friend class EdgeConvPass;
  Isa isa_;
  std::int64_t in_, out_, length_;
  std::int64_t node_length_;                       // of a row of center, neighbor and shortcut
  RowLayer nodes_;                                 // center, neighbor and shortcut in one product
  std::optional<QuantisedLayer> quantised_nodes_;  // instead of nodes_
  bool has_shortcut_;
  Precision precision_;
  std::vector<RowLayer> layers_;  // one of both is empty
  std::vector<QuantisedLayer> quantised_layers_;
};

/// Keeps the buffers of edge_conv_forward between calls: fresh pages cost more than arithmetic.
struct EdgeInferWorkspace {
  AlignedRows<float> nodes, z, next_z, center_largest, neighbor_largest;
  QuantisedRows quantised_x, quantised_z;
  std::vector<std::int32_t> sources, targets;
  std::vector<std::int64_t> counts;
};

/// Computes a block for `rows` particles on the calling thread.
///
/// Shapes: x [rows, in], x_stride floats apart (at least row_length(out) of them, the padding zero,
/// when the block has no shortcut), neighbors [rows, k] as knn() writes them, y [rows, length()].
/// A particle without neighbors gets relu(shortcut). A particle's result depends on its own
/// neighbors alone: the same bits in any batch. Thread-safe with a workspace of its own.
void edge_conv_forward(const PackedEdgeConv& block, std::int64_t rows, const float* x,
                       std::int64_t x_stride, const std::int32_t* neighbors, std::int64_t k,
                       float* y, EdgeInferWorkspace& work);

}  // namespace jetcal::kernels
