// SPDX-License-Identifier: Apache-2.0
#include "jetcal/models/detail/transformer_inference.h"

#include <algorithm>

#include "jetcal/kernels/elementwise.h"
#include "jetcal/kernels/layer_norm.h"
#include "jetcal/models/detail/momenta.h"
#include "jetcal/models/feature_bounds.h"

namespace jetcal::models::detail {
namespace {

using kernels::Activation;
using kernels::room_for;

kernels::RowLayer pack(const Dense& dense) {
  return kernels::RowLayer(kernels::LinearWeights{dense.weight, dense.bias, dense.in, dense.out});
}

// Adds what a residual branch gave to the rows in work.x.
void add_branch(const float* branch, std::int64_t size, TransformerWorkspace& work) {
  kernels::add({branch, static_cast<std::size_t>(size)},
               {work.x.data(), static_cast<std::size_t>(size)});
}

}  // namespace

TransformerInference::Block::Block(const FoldedAttentionBlock& block)
    : qkv(pack(block.qkv)),
      out(pack(block.out)),
      expand(pack(block.expand)),
      contract(pack(block.contract)),
      pair_weight(block.pair_weight) {}

TransformerInference::TransformerInference(const FoldedModel& model)
    : shape_{model.config.attention_heads,
             model.config.attention_units / model.config.attention_heads},
      width_(model.config.attention_units),
      stride_(kernels::row_length(width_)),
      blocks_(model.transformer->blocks.begin(), model.transformer->blocks.end()),
      scale_(model.transformer->scale),
      shift_(model.transformer->shift),
      low_(model.particle_low),
      high_(model.particle_high) {
  for (const Dense& layer : model.transformer->embedding) embedding_.push_back(pack(layer));
}

void TransformerInference::embed(std::span<const float> particles, std::int64_t rows,
                                 TransformerWorkspace& work) const {
  float* const bounded = room_for(work.features, std::ssize(particles));
  bound_features(particles, low_, high_, bounded);
  const float* x = bounded;
  std::int64_t x_stride = std::ssize(particles) / rows;
  for (const kernels::RowLayer& layer : embedding_) {
    const bool last = &layer == &embedding_.back();
    float* const y = room_for(work.next, rows * stride_);
    kernels::row_layer_forward(layer, rows, x, x_stride, y, stride_,
                               last ? Activation::None : Activation::Relu);
    std::swap(work.x, work.next);
    x = y;
    x_stride = stride_;
  }
}

// Replaces the rows in work.x by the block's output.
void TransformerInference::run_block(const Block& block, std::int64_t rows,
                                     TransformerWorkspace& work) const {
  const std::int64_t qkv_stride = block.qkv.length();
  const std::int64_t hidden_stride = block.expand.length();
  float* const normed = room_for(work.normed, rows * stride_);
  float* const qkv = room_for(work.qkv, rows * qkv_stride);
  float* const hidden = room_for(work.hidden, rows * hidden_stride);
  float* const branch = room_for(work.next, rows * stride_);
  kernels::layer_normalise({work.x.data(), stride_, rows, width_, normed, stride_});
  kernels::row_layer_forward(block.qkv, rows, normed, stride_, qkv, qkv_stride, Activation::None);
  kernels::attention_forward(shape_, work.pairs, {qkv, qkv_stride}, block.pair_weight,
                             {normed, stride_});
  kernels::row_layer_forward(block.out, rows, normed, stride_, branch, stride_, Activation::None);
  add_branch(branch, rows * stride_, work);
  kernels::layer_normalise({work.x.data(), stride_, rows, width_, normed, stride_});
  kernels::row_layer_forward(block.expand, rows, normed, stride_, hidden, hidden_stride,
                             Activation::Relu);
  kernels::row_layer_forward(block.contract, rows, hidden, hidden_stride, branch, stride_,
                             Activation::None);
  add_branch(branch, rows * stride_, work);
}

const float* TransformerInference::forward(std::span<const float> particles,
                                           std::span<const std::int64_t> offsets,
                                           TransformerWorkspace& work) const {
  const std::int64_t rows = offsets.back();
  if (rows == 0) return room_for(work.next, 0);
  work.momenta.resize(static_cast<std::size_t>(rows * kernels::kMomentumColumns));
  take_momenta(particles, work.momenta);
  work.pairs.build(work.momenta, offsets);
  embed(particles, rows, work);
  for (const Block& block : blocks_) run_block(block, rows, work);
  float* const y = room_for(work.next, rows * stride_);
  kernels::layer_normalise({work.x.data(), stride_, rows, width_, y, stride_}, scale_, shift_);
  return y;
}

}  // namespace jetcal::models::detail
