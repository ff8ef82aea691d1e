// SPDX-License-Identifier: Apache-2.0
#include "jetcal/kernels/edge_infer.h"

#include <algorithm>

#include "jetcal/base/error.h"
#include "jetcal/kernels/detail/quantised_table.h"
#include "jetcal/kernels/detail/row_layer_table.h"
#include "jetcal/kernels/isa.h"

namespace jetcal::kernels {
namespace {

// Edges worked on at a time, but for particles with more: with a panel of weights they stay in the
// nearest cache at 100 units.
constexpr std::int64_t kPieceEdges = 48;

std::vector<LinearWeights> node_layers(const LinearWeights& center, const LinearWeights& neighbor,
                                       const std::optional<LinearWeights>& shortcut) {
  std::vector<LinearWeights> parts{center, neighbor};
  if (shortcut) parts.push_back(*shortcut);
  return parts;
}

// Joins layers as RowLayer does, with zeros for the outputs between them.
QuantisedLayer join_quantised(std::span<const LinearWeights> parts, Precision precision) {
  const std::int64_t in = parts.front().in;
  std::vector<float> weight;
  std::vector<float> bias;
  for (const LinearWeights& part : parts) {
    weight.insert(weight.end(), part.weight.begin(), part.weight.end());
    bias.insert(bias.end(), part.bias.begin(), part.bias.end());
    const std::int64_t out = std::ssize(bias) - std::ssize(part.bias) + row_length(part.out);
    weight.resize(static_cast<std::size_t>(out * in), 0.0F);
    bias.resize(static_cast<std::size_t>(out), 0.0F);
  }
  return QuantisedLayer({weight, bias, in, std::ssize(bias)}, precision);
}

}  // namespace

PackedEdgeConv::PackedEdgeConv(const LinearWeights& center, const LinearWeights& neighbor,
                               std::span<const LinearWeights> layers,
                               const std::optional<LinearWeights>& shortcut, Precision precision,
                               NodeInput input)
    : isa_(kernel_isa()),
      in_(center.in),
      out_(center.out),
      length_(row_length(center.out)),
      node_length_(length_ * (shortcut ? 3 : 2)),
      has_shortcut_(shortcut.has_value()),
      precision_(precision) {
  require_support(precision);
  const std::vector<LinearWeights> nodes = node_layers(center, neighbor, shortcut);
  if (precision == Precision::Float32 || input == NodeInput::Any) {
    nodes_ = RowLayer(nodes);
  } else {
    quantised_nodes_ = join_quantised(nodes, unaveraged(precision));
  }
  JETCAL_DCHECK(neighbor.out == out_ && (shortcut ? shortcut->out == out_ : center.in == out_));
  for (const LinearWeights& layer : layers) {
    JETCAL_DCHECK(layer.in == out_ && layer.out == out_);
    if (precision == Precision::Float32) {
      layers_.emplace_back(layer);
    } else {
      quantised_layers_.emplace_back(layer, precision);
    }
  }
}

// One call of edge_conv_forward.
class EdgeConvPass {
 public:
  EdgeConvPass(const PackedEdgeConv& block, const std::int32_t* neighbors, std::int64_t k, float* y,
               EdgeInferWorkspace& work)
      : block_(block),
        kernels_(detail::row_layer_kernels(block.isa_)),
        neighbors_(neighbors),
        k_(k),
        y_(y),
        work_(work),
        stride_(block.node_length_) {}

  void run(std::int64_t rows, const float* x, std::int64_t x_stride) {
    float* const nodes = room_for(work_.nodes, rows * stride_);
    if (block_.quantised_nodes_) {
      quantise_rows(block_.quantised_nodes_->precision(), rows, block_.in_, x, x_stride,
                    work_.quantised_x);
      row_layer_forward(*block_.quantised_nodes_, rows, work_.quantised_x, nodes, stride_,
                        Activation::None);
    } else {
      row_layer_forward(block_.nodes_, rows, x, x_stride, nodes, stride_, Activation::None);
    }
    if (!block_.quantised_layers_.empty()) find_largest(rows);
    std::fill_n(y_, rows * block_.length_, 0.0F);
    work_.counts.clear();
    clear_piece();
    for (std::int64_t i = 0; i < rows; ++i) {
      if (!work_.sources.empty() && std::ssize(work_.sources) + k_ > kPieceEdges) run_piece();
      add_edges(i);
    }
    run_piece();
    kernels_.finish({work_.counts.data(), block_.has_shortcut_ ? nodes + 2 * block_.length_ : x,
                     block_.has_shortcut_ ? stride_ : x_stride, rows, vectors(), y_,
                     block_.length_});
  }

 private:
  std::int64_t vectors() const { return block_.length_ / kernels_.lanes; }

  void clear_piece() {
    work_.sources.clear();
    work_.targets.clear();
  }

  void add_edges(std::int64_t i) {
    const std::int32_t* const targets = neighbors_ + i * k_;
    const std::int64_t count = std::find(targets, targets + k_, -1) - targets;
    work_.targets.insert(work_.targets.end(), targets, targets + count);
    work_.sources.insert(work_.sources.end(), static_cast<std::size_t>(count),
                         static_cast<std::int32_t>(i));
    work_.counts.push_back(count);
  }

  // Adds the edge function of the collected edges to the rows of y.
  void run_piece() {
    if (!block_.quantised_layers_.empty()) {
      run_quantised_piece();
    } else if (!block_.layers_.empty()) {
      run_float_piece();
    } else {
      kernels_.sum(edge_rows(y_));
    }
    clear_piece();
  }

  std::int64_t num_edges() const { return std::ssize(work_.sources); }

  detail::EdgeRows edge_rows(float* z) const {
    return {work_.nodes.data(),
            work_.nodes.data() + block_.length_,
            stride_,
            work_.sources.data(),
            work_.targets.data(),
            num_edges(),
            vectors(),
            z,
            block_.length_};
  }

  void run_float_piece() {
    const std::int64_t length = block_.length_;
    kernels_.gather(edge_rows(room_for(work_.z, num_edges() * length)));
    for (std::size_t layer = 0; layer + 1 < block_.layers_.size(); ++layer) {
      row_layer_forward(block_.layers_[layer], num_edges(), work_.z.data(), length,
                        room_for(work_.next_z, num_edges() * length), length, Activation::Relu);
      std::swap(work_.z, work_.next_z);
    }
    row_layer_sum(block_.layers_.back(), num_edges(), work_.z.data(), length, work_.sources.data(),
                  y_, length);
  }

  void find_largest(std::int64_t rows) {
    const auto& kernels = detail::quantised_kernels(block_.isa_, block_.precision_);
    kernels.largest(work_.nodes.data(), stride_, rows, vectors(),
                    room_for(work_.center_largest, rows));
    kernels.largest(work_.nodes.data() + block_.length_, stride_, rows, vectors(),
                    room_for(work_.neighbor_largest, rows));
  }

  void run_quantised_piece() {
    const std::int64_t length = block_.length_;
    QuantisedRows& z = work_.quantised_z;
    const std::int64_t bytes = room_for_rows(block_.precision_, num_edges(), block_.out_, z);
    detail::quantised_kernels(block_.isa_, block_.precision_)
        .gather({work_.nodes.data(), work_.nodes.data() + length, stride_,
                 work_.center_largest.data(), work_.neighbor_largest.data(), work_.sources.data(),
                 work_.targets.data(), num_edges(), vectors(), z.levels.data(), bytes,
                 z.steps.data()});
    for (std::size_t layer = 0; layer + 1 < block_.quantised_layers_.size(); ++layer) {
      row_layer_forward(block_.quantised_layers_[layer], num_edges(), z,
                        room_for(work_.z, num_edges() * length), length, Activation::Relu);
      quantise_rows(block_.precision_, num_edges(), block_.out_, work_.z.data(), length, z);
    }
    row_layer_sum(block_.quantised_layers_.back(), num_edges(), z, work_.sources.data(), y_,
                  length);
  }

  const PackedEdgeConv& block_;
  const detail::RowLayerKernels& kernels_;
  const std::int32_t* neighbors_;
  std::int64_t k_;
  float* y_;
  EdgeInferWorkspace& work_;
  std::int64_t stride_;  // of nodes
};

void edge_conv_forward(const PackedEdgeConv& block, std::int64_t rows, const float* x,
                       std::int64_t x_stride, const std::int32_t* neighbors, std::int64_t k,
                       float* y, EdgeInferWorkspace& work) {
  JETCAL_DCHECK(k >= 1 && x_stride >= block.in());
  EdgeConvPass(block, neighbors, k, y, work).run(rows, x, x_stride);
}

}  // namespace jetcal::kernels
