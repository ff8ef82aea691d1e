// SPDX-License-Identifier: Apache-2.0
#include "jetcal/models/detail/fold_transformer.h"

#include "jetcal/models/detail/slot_spans.h"

namespace jetcal::models::detail {
namespace {

// The linear layer behind a layer normalisation takes over its scale and shift.
Dense fold_normed(std::span<const float> parameters, const LayerNormSlot& norm,
                  const LinearSlot& slot) {
  const std::span<const float> scale = channels_of(parameters, norm.scale, norm.channels);
  const std::span<const float> shift = channels_of(parameters, norm.shift, norm.channels);
  WideDense dense = wide_linear(parameters, slot);
  fold_before({{scale.begin(), scale.end()}, {shift.begin(), shift.end()}}, 0, dense);
  return narrow(dense);
}

}  // namespace

FoldedTransformer fold_transformer(const TransformerSlots& slots, std::span<const float> parameters,
                                   const Affine& input) {
  FoldedTransformer folded;
  for (const LinearSlot& slot : slots.embedding) {
    WideDense dense = wide_linear(parameters, slot);
    if (folded.embedding.empty()) fold_before(input, 0, dense);
    folded.embedding.push_back(narrow(dense));
  }
  for (const AttentionBlockSlot& slot : slots.blocks) {
    FoldedAttentionBlock block;
    block.qkv = fold_normed(parameters, slot.norm, slot.qkv);
    block.out = narrow(wide_linear(parameters, slot.out));
    block.expand = fold_normed(parameters, slot.feed_norm, slot.expand);
    block.contract = narrow(wide_linear(parameters, slot.contract));
    const std::span<const float> pair = weight_of(parameters, slot.pair);
    block.pair_weight.assign(pair.begin(), pair.end());
    folded.blocks.push_back(std::move(block));
  }
  const std::span<const float> scale =
      channels_of(parameters, slots.norm.scale, slots.norm.channels);
  const std::span<const float> shift =
      channels_of(parameters, slots.norm.shift, slots.norm.channels);
  folded.scale.assign(scale.begin(), scale.end());
  folded.shift.assign(shift.begin(), shift.end());
  return folded;
}

}  // namespace jetcal::models::detail
