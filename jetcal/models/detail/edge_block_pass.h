// SPDX-License-Identifier: Apache-2.0
// Forward and backward pass of one EdgeConv block with batch statistics.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "jetcal/kernels/edge.h"
#include "jetcal/models/detail/norm_pass.h"

namespace jetcal::models::detail {

/// Work space that the blocks of a network share: one activation and two gradients of all edges.
struct EdgeScratch {
  std::vector<float> activation, gradient, next_gradient;
};

/// Runs one block. Of every edge layer only the values before batch norm are kept; what follows
/// them is computed again in backward, which halves the memory of a batch.
class EdgeBlockPass {
 public:
  EdgeBlockPass(const EdgeBlockSlot& slot, std::int64_t neighbors);

  /// Shapes: x [P, in]; coordinates [P, dimensions], in which neighbors are sought; offsets [J +
  /// 1]. Returns the block's output [P, out], valid until the next forward. x must live until
  /// backward.
  std::span<const float> forward(std::span<const float> parameters, std::span<float> buffers,
                                 std::span<const float> x, std::span<const float> coordinates,
                                 std::int64_t dimensions, std::span<const std::int64_t> offsets,
                                 EdgeScratch& scratch);

  /// Takes the gradient of the output in `grad` [P, out], which it changes, and writes that of x.
  void backward(std::span<const float> parameters, std::span<float> grad, std::span<float> grad_x,
                std::span<float> grad_parameters, EdgeScratch& scratch);

 private:
  void forward_first_layer(std::span<const float> parameters);
  void forward_shortcut(std::span<const float> parameters, std::span<float> buffers,
                        std::span<float> y);
  void backward_edges(std::span<const float> parameters, std::span<const float> grad,
                      std::span<float> grad_parameters, EdgeScratch& scratch);
  void backward_first_layer(std::span<const float> grad_edges, std::span<float> grad_x,
                            std::span<float> grad_parameters);
  void backward_shortcut(std::span<const float> parameters, std::span<float> grad,
                         std::span<float> grad_x, std::span<float> grad_parameters);

  EdgeBlockSlot slot_;
  std::int64_t neighbors_, out_;
  std::vector<NormPass> norms_;
  std::optional<NormPass> shortcut_norm_;

  // What backward needs of the last forward.
  std::span<const float> x_;
  std::int64_t num_particles_ = 0;
  kernels::Edges edges_;
  std::vector<float> center_weight_, neighbor_weight_;  // W1 - W2 and W2
  std::vector<std::vector<float>> edge_values_;         // [E, out] before batch norm, of each layer
  std::vector<float> shortcut_values_;                  // [P, out] before batch norm
  std::vector<float> output_;

  // Work space of particles.
  std::vector<std::int32_t> neighbor_rows_;
  std::vector<float> center_, neighbor_, weight_gradient_, input_gradient_;
};

}  // namespace jetcal::models::detail
