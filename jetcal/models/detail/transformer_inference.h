// SPDX-License-Identifier: Apache-2.0
// The forward pass of a transformer's particles for some jets on one thread.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "jetcal/kernels/attention.h"
#include "jetcal/kernels/row_layer.h"
#include "jetcal/models/folded_model.h"

namespace jetcal::models::detail {

/// Buffers of one thread, kept between calls.
struct TransformerWorkspace {
  kernels::AlignedRows<float> features, x, next, normed, qkv, hidden;
  std::vector<float> momenta;
  kernels::PairQuantities pairs;
};

/// Holds the layers as the kernels of inference want them. A jet's result has the same bits in any
/// batch.
class TransformerInference {
 public:
  /// Requires: the model has a transformer.
  explicit TransformerInference(const FoldedModel& model);

  /// Shapes: particles [P, 6] as they come, offsets [J + 1] from 0 to P. Returns rows [P, C],
  /// stride() apart, that live in `work`.
  const float* forward(std::span<const float> particles, std::span<const std::int64_t> offsets,
                       TransformerWorkspace& work) const;
  std::int64_t stride() const noexcept { return stride_; }

 private:
  struct Block {
    explicit Block(const FoldedAttentionBlock& block);
    kernels::RowLayer qkv, out, expand, contract;
    std::vector<float> pair_weight;
  };
  void embed(std::span<const float> particles, std::int64_t rows, TransformerWorkspace& work) const;
  void run_block(const Block& block, std::int64_t rows, TransformerWorkspace& work) const;

  kernels::AttentionShape shape_;
  std::int64_t width_, stride_;
  std::vector<kernels::RowLayer> embedding_;
  std::vector<Block> blocks_;
  std::vector<float> scale_, shift_;
  std::vector<float> low_, high_;  // bounds of the features, or empty
};

}  // namespace jetcal::models::detail
