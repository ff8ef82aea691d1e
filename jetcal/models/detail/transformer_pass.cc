// SPDX-License-Identifier: Apache-2.0
#include "jetcal/models/detail/transformer_pass.h"

#include "jetcal/models/detail/momenta.h"

namespace jetcal::models::detail {

TransformerPass::TransformerPass(const TransformerSlots& slots)
    : embedding_(slots.embedding, {.linear_last = true}),
      norm_(slots.norm),
      width_(slots.norm.channels) {
  for (const AttentionBlockSlot& slot : slots.blocks) {
    blocks_.emplace_back(slot, kernels::AttentionShape{slots.heads, slots.units});
    first_parameters_.push_back(slot.norm.scale);
  }
}

std::span<const float> TransformerPass::forward(std::span<const float> parameters,
                                                std::span<const float> x,
                                                std::span<const float> particles,
                                                std::span<const std::int64_t> offsets) {
  const std::int64_t rows = offsets.back();
  const std::span<float> momenta = rows_in(momenta_, rows, kernels::kMomentumColumns);
  take_momenta(particles, momenta);
  pairs_.build(momenta, offsets);
  last_ = embedding_.forward(parameters, x, /*dropout_seed=*/0);
  for (AttentionBlockPass& block : blocks_) {
    last_ = block.forward(parameters, last_, pairs_, work_);
  }
  const std::span<float> output = rows_in(output_, rows, width_);
  norm_.forward(parameters, last_, output);
  return output;
}

void TransformerPass::backward(std::span<const float> parameters, std::span<float> grad,
                               std::span<float> grad_parameters, std::int64_t end,
                               const GradientsFinished& finished) {
  norm_.backward(parameters, last_, grad, {}, grad, grad_parameters);
  for (std::size_t i = blocks_.size(); i-- > 0;) {
    blocks_[i].backward(parameters, grad, grad_parameters, work_);
    if (finished) finished(first_parameters_[i], end);
    end = first_parameters_[i];
  }
  embedding_.backward(parameters, grad, {}, grad_parameters);
  if (finished) finished(0, end);
}

}  // namespace jetcal::models::detail
