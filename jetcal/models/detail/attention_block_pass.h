// SPDX-License-Identifier: Apache-2.0
// Forward and backward pass of one block of a transformer.
#pragma once

#include <span>
#include <vector>

#include "jetcal/kernels/attention.h"
#include "jetcal/kernels/dense_stack.h"
#include "jetcal/models/detail/layer_norm_pass.h"

namespace jetcal::models::detail {

/// Holds the gradients that one block hands to the next, in buffers that all blocks share.
struct AttentionWorkspace {
  std::vector<float> normed, grad_normed, grad_attended, grad_qkv;
};

/// Runs x + out(attention(qkv(norm(x)))), then x + contract(relu(expand(norm(x)))).
class AttentionBlockPass {
 public:
  AttentionBlockPass(const AttentionBlockSlot& slot, const kernels::AttentionShape& shape);

  /// Shapes: x [P, C]. Returns the block's output [P, C], valid until the next forward. x and pairs
  /// must live until backward.
  std::span<const float> forward(std::span<const float> parameters, std::span<const float> x,
                                 const kernels::PairQuantities& pairs, AttentionWorkspace& work);

  /// Turns the gradient of the output into that of x, in place, and writes those of the parameters.
  void backward(std::span<const float> parameters, std::span<float> grad,
                std::span<float> grad_parameters, AttentionWorkspace& work);

 private:
  void backward_feed_forward(std::span<const float> parameters, std::span<float> grad,
                             std::span<float> grad_parameters, AttentionWorkspace& work);

  AttentionBlockSlot slot_;
  kernels::AttentionShape shape_;
  LayerNormPass norm_, feed_norm_;
  kernels::DenseStack feed_forward_;

  // Of the last forward.
  const kernels::PairQuantities* pairs_ = nullptr;
  std::span<const float> x_;
  std::vector<float> normed_, qkv_, attended_;  // [P, C], [P, 3C], [P, C]
  std::vector<float> middle_, output_;          // [P, C]: between attention and feed-forward
};

}  // namespace jetcal::models::detail
