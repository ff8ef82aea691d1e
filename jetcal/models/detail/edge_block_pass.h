// SPDX-License-Identifier: Apache-2.0
// Forward and backward pass of one EdgeConv block with batch statistics.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "jetcal/kernels/edge_conv.h"
#include "jetcal/models/detail/norm_pass.h"

namespace jetcal::models::detail {

/// Runs one block: the first product per particle here, what happens on edges in EdgeConv.
class EdgeBlockPass {
 public:
  EdgeBlockPass(const EdgeBlockSlot& slot, std::int64_t neighbors);

  /// Shapes: x [P, in]; coordinates [P, dimensions], in which neighbors are sought; offsets [J +
  /// 1]. Returns the block's output [P, out], valid until the next forward. x must live until
  /// backward, and `shared`, which may be null.
  std::span<const float> forward(std::span<const float> parameters, std::span<float> buffers,
                                 std::span<const float> x, std::span<const float> coordinates,
                                 std::int64_t dimensions, std::span<const std::int64_t> offsets,
                                 kernels::EdgeConvWorkspace& workspace,
                                 kernels::SharedSums* shared);

  /// Takes the gradient of the output in `grad` [P, out], which it changes, and writes that of x.
  void backward(std::span<const float> parameters, std::span<float> grad, std::span<float> grad_x,
                std::span<float> grad_parameters, kernels::EdgeConvWorkspace& workspace);

 private:
  std::vector<kernels::EdgeConvLayer> layers_of(std::span<const float> parameters,
                                                std::span<float> buffers) const;
  void forward_nodes(std::span<const float> parameters);
  void forward_shortcut(std::span<const float> parameters, std::span<float> buffers,
                        std::span<float> y, kernels::SharedSums* shared);
  void backward_nodes(std::span<const float> grad_nodes, std::span<float> grad_x,
                      std::span<float> grad_parameters);
  void backward_shortcut(std::span<const float> parameters, std::span<float> grad,
                         std::span<float> grad_x, std::span<float> grad_parameters);

  EdgeBlockSlot slot_;
  std::int64_t neighbors_;
  std::int64_t out_;
  kernels::EdgeConv edge_conv_;
  std::int64_t stride_;
  std::optional<NormPass> shortcut_norm_;

  // Of the last forward.
  std::int64_t num_particles_ = 0;
  std::span<const float> x_;
  std::vector<std::int32_t> neighbor_rows_;
  kernels::Edges edges_;
  std::vector<float> node_weight_;      // [2 stride, in]: W1 - W2 and W2, rows of zeros between
  std::vector<float> nodes_;            // [P, 2 stride]
  std::vector<float> shortcut_values_;  // [P, out], before its batch norm
  std::vector<float> output_;           // [P, out]
  std::vector<float> grad_nodes_, weight_gradient_, rows_;
};

}  // namespace jetcal::models::detail
