// SPDX-License-Identifier: Apache-2.0
// Forward and backward pass of a transformer, from the particles' features to their last rows.
#pragma once

#include <deque>
#include <span>
#include <vector>

#include "jetcal/models/detail/attention_block_pass.h"
#include "jetcal/models/detail/dense_stack_pass.h"
#include "jetcal/models/training_pass.h"

namespace jetcal::models::detail {

class TransformerPass {
 public:
  explicit TransformerPass(const TransformerSlots& slots);

  /// Shapes: x [P, 6], standardised; particles [P, 6], as they came, for the pairs; offsets [J +
  /// 1]. Returns rows [P, C], valid until the next forward.
  std::span<const float> forward(std::span<const float> parameters, std::span<const float> x,
                                 std::span<const float> particles,
                                 std::span<const std::int64_t> offsets);

  /// Takes the gradient of what the last forward gave, which it changes, and writes those of the
  /// parameters. `finished`, if any, hears of them as in TrainingPass::backward, and of
  /// those up to `end` that lie behind them, with the first.
  void backward(std::span<const float> parameters, std::span<float> grad,
                std::span<float> grad_parameters, std::int64_t end,
                const GradientsFinished& finished);

 private:
  DenseStackPass embedding_;
  std::deque<AttentionBlockPass> blocks_;  // they stay where they are
  LayerNormPass norm_;
  std::int64_t width_;
  std::vector<std::int64_t> first_parameters_;  // of the blocks
  AttentionWorkspace work_;

  // Of the last forward.
  kernels::PairQuantities pairs_;
  std::span<const float> last_;  // the last block's output
  std::vector<float> momenta_, output_;
};

}  // namespace jetcal::models::detail
