// SPDX-License-Identifier: Apache-2.0
// Forward and backward pass of one EdgeConv block on the device, with batch statistics.
#pragma once

#include <cstdint>
#include <vector>

#include "jetcal/cuda/detail/dense_stack.h"
#include "jetcal/cuda/detail/edge.h"
#include "jetcal/cuda/detail/graph.h"

namespace jetcal::cuda::detail {

/// Hands out the arrays of the normalisations of a network.
class NormTable {
 public:
  explicit NormTable(const NetworkLayout& layout);
  const NormArrays& of(const NormPlace& place) const { return arrays_[place.index]; }
  /// Notes where the arrays of `place` lie; places come in the order of their index.
  void add(const NormPlace& place);

 private:
  Buffer<float> storage_;
  std::int64_t used_ = 0;
  std::vector<NormArrays> arrays_;
};

/// Work space that the blocks share, and the lists that all of them use.
template <typename T>
struct EdgeScratch {
  Buffer<T> activation, gradient, next_gradient;
  Buffer<std::int32_t> jets, sources, search;
  Buffer<std::int64_t> edge_offsets;
  EdgeRows rows;
};

/// Normalises rows by batch statistics and moves the running ones.
template <typename T>
void norm_statistics(const PassContext& context, const NormPlace& place, const NormTable& norms,
                     const T* z, std::int64_t rows);
/// The same when the sums are in context.parts already.
void norm_from_parts(const PassContext& context, const NormPlace& place, const NormTable& norms,
                     std::int64_t rows);
/// Writes the gradients of scale and shift and prepares norm_backward_apply.
template <typename T>
void norm_gradients(const PassContext& context, const NormPlace& place, const NormTable& norms,
                    const T* z, const EdgeGradient<T>& gradient, std::int64_t rows, bool relu);

/// Of every edge layer only the values before batch norm are kept, T each; what follows them is
/// computed again in backward.
template <typename T>
class EdgeBlock {
 public:
  explicit EdgeBlock(const BlockPlace& place);

  /// Shapes: x [P, in]; coordinates [P, stride] of which `dimensions` columns count. Returns [P,
  /// out], valid until the next forward. x must stay until backward.
  const float* forward(const PassContext& context, const NormTable& norms, const JetRows& jets,
                       const float* x, const float* coordinates, std::int64_t dimensions,
                       std::int64_t stride, EdgeScratch<T>& scratch);

  /// Takes the gradient of the output in `grad` [P, out], which it changes, and returns that of x
  /// [P, in]: `grad` itself, or memory of the block.
  float* backward(const PassContext& context, const NormTable& norms, float* grad,
                  EdgeScratch<T>& scratch);

 private:
  void forward_layers(const PassContext& context, const NormTable& norms, EdgeScratch<T>& scratch);
  void backward_layers(const PassContext& context, const NormTable& norms, const float* grad,
                       EdgeScratch<T>& scratch);
  EdgeLists lists(const EdgeScratch<T>& scratch) const;

  BlockPlace place_;
  std::int64_t num_particles_ = 0, num_edges_ = 0;
  const float* x_ = nullptr;
  std::vector<Buffer<T>> values_;  // [E, out] before batch norm, of each layer
  Buffer<std::int32_t> targets_, reverse_edges_;
  Buffer<std::int64_t> reverse_offsets_;
  Buffer<float> products_, shortcut_values_, output_, grad_products_, grad_x_;
};

extern template class EdgeBlock<float>;
extern template class EdgeBlock<Bf16>;

}  // namespace jetcal::cuda::detail
