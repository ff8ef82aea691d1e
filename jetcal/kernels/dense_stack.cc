// SPDX-License-Identifier: Apache-2.0
#include "jetcal/kernels/dense_stack.h"

#include <algorithm>
#include <utility>

#include "jetcal/base/error.h"
#include "jetcal/base/threads.h"
#include "jetcal/kernels/aligned_rows.h"
#include "jetcal/kernels/detail/column_kernels.h"
#include "jetcal/kernels/detail/dispatch.h"
#include "jetcal/kernels/detail/elementwise_kernels.h"
#include "jetcal/kernels/detail/packed_product.h"
#include "jetcal/kernels/detail/segment_kernels.h"
#include "jetcal/kernels/elementwise.h"

namespace jetcal::kernels {
namespace {

// The variants in use; forward chooses them, backward must find the same layout of rows.
struct Variants {
  explicit Variants(Isa isa)
      : gemm(&detail::gemm_kernels(isa)),
        column(&detail::pick(isa, detail::kColumnRef, detail::kColumnAvx2, detail::kColumnAvx512)),
        segment(
            &detail::pick(isa, detail::kSegmentRef, detail::kSegmentAvx2, detail::kSegmentAvx512)),
        elementwise(&detail::pick(isa, detail::kElementwiseRef, detail::kElementwiseAvx2,
                                  detail::kElementwiseAvx512)) {}
  const detail::GemmKernels* gemm;
  const detail::ColumnKernels* column;
  const detail::SegmentKernels* segment;
  const detail::ElementwiseKernels* elementwise;
};

// Cuts rows into tiles, at ends of segments where there are any, and tiles into chunks. Follows
// from the rows alone, so that sums over chunks have the same bits with any number of threads.
struct TilePlan {
  std::vector<std::int64_t> rows, segments;  // where each tile starts, and the end
  std::int64_t chunk_tiles = 1, num_chunks = 0;

  std::int64_t num_tiles() const { return std::ssize(rows) - 1; }
  std::int64_t num_rows(std::int64_t tile) const { return rows[tile + 1] - rows[tile]; }
  std::int64_t longest() const {
    std::int64_t longest = 0;
    for (std::int64_t tile = 0; tile < num_tiles(); ++tile) {
      longest = std::max(longest, num_rows(tile));
    }
    return longest;
  }
};

TilePlan plan_tiles(std::int64_t num_rows, std::span<const std::int64_t> offsets,
                    std::int64_t widest) {
  constexpr std::int64_t kMaxChunks = 16;
  constexpr std::int64_t kManyRows = 4096;
  // A tile's rows of two layers and their gradients stay in the second cache; wide layers want more
  // rows for each time that the weights pass. The head's few rows must do for several threads.
  const std::int64_t wanted = num_rows < kManyRows ? 64 : (widest > 256 ? 256 : 192);
  TilePlan plan;
  plan.rows.push_back(0);
  if (offsets.empty()) {
    for (std::int64_t row = 0; row < num_rows; row += wanted) {
      plan.rows.push_back(std::min(num_rows, row + wanted));
    }
  } else {
    plan.segments.push_back(0);
    const std::int64_t num_segments = std::ssize(offsets) - 1;
    for (std::int64_t segment = 0; segment < num_segments; ++segment) {
      const bool full = segment + 1 == num_segments ||
                        offsets[segment + 2] - plan.rows.back() > wanted ||
                        segment + 1 - plan.segments.back() >= wanted;
      if (!full) continue;
      plan.rows.push_back(offsets[segment + 1]);
      plan.segments.push_back(segment + 1);
    }
  }
  plan.chunk_tiles = std::max<std::int64_t>(2, (plan.num_tiles() + kMaxChunks - 1) / kMaxChunks);
  plan.num_chunks = (plan.num_tiles() + plan.chunk_tiles - 1) / plan.chunk_tiles;
  return plan;
}

std::span<float> sized(AlignedRows<float>& storage, std::int64_t size) {
  return {room_for(storage, size), static_cast<std::size_t>(size)};
}

void copy_rows(const float* from, std::int64_t from_width, std::int64_t rows, std::int64_t columns,
               std::int64_t to_width, float* to) {
  for (std::int64_t row = 0; row < rows; ++row) {
    std::copy_n(from + row * from_width, columns, to + row * to_width);
  }
}

}  // namespace

// Rows of x, of every output and of their gradients are padded to whole vectors. Where that leaves
// room, the first column of the padding holds ones: the gradient of the weights then has the one of
// the bias in that column, for nothing.
struct DenseStack::Impl {
  struct Scratch {
    AlignedRows<float> grad, next_grad, sums;
    std::vector<double> column_sums;
    std::vector<std::int64_t> offsets;
  };

  explicit Impl(std::vector<DenseLayer> all) : layers(std::move(all)), activations(size() + 1) {
    packed.resize(size());
    biases.resize(size());
  }

  std::size_t size() const { return layers.size(); }
  std::int64_t vector() const { return variants.gemm->vector_columns; }
  // Level 0 is x, level i + 1 the output of layer i.
  std::int64_t columns(std::size_t level) const {
    return level == 0 ? layers.front().in : layers[level - 1].out;
  }
  std::int64_t width(std::size_t level) const {
    const std::int64_t whole = (columns(level) + vector() - 1) / vector() * vector();
    return whole % 64 == 0 ? whole + vector() : whole;  // else rows share few sets of the cache
  }
  std::int64_t widest() const {
    std::int64_t widest = 0;
    for (std::size_t level = 0; level <= size(); ++level) widest = std::max(widest, width(level));
    return widest;
  }
  bool has_ones(std::size_t level) const { return columns(level) % vector() != 0; }
  bool drops(std::size_t layer) const { return dropout > 0 && layers[layer].relu; }
  float* rows_of(std::size_t level, std::int64_t tile) {
    return activations[level].data() + plan.rows[tile] * width(level);
  }

  void prepare(const DenseRows& rows);
  void pack_forward(std::span<const DenseWeights> weights);
  void pack_backward(std::span<const DenseWeights> weights, std::size_t first);
  void forward_tile(std::int64_t tile, const DenseRows& rows, Scratch& scratch, std::span<float> y);
  std::span<const std::int64_t> offsets_in(std::int64_t tile, Scratch& scratch) const;
  void take_gradient(std::int64_t tile, std::span<const float> grad_y, Scratch& scratch);
  void pass_back(std::size_t layer, std::int64_t tile, bool gated, Scratch& scratch);
  void add_gradients(std::size_t layer, std::int64_t tile, std::int64_t chunk, Scratch& scratch);
  void backward_tile(std::int64_t tile, std::int64_t chunk, std::span<const float> grad_y,
                     std::span<float> grad_x, Scratch& scratch);
  void fetch(std::size_t level, std::int64_t tile);
  void gate(std::size_t layer, std::int64_t tile, float* grad);
  void finish_gradients(std::size_t layer, const DenseGradients& gradients) const;

  std::vector<DenseLayer> layers;
  Variants variants{kernel_isa()};
  std::vector<AlignedRows<float>> packed, biases, activations;
  TilePlan plan;
  std::vector<std::int64_t> offsets;
  float dropout = 0;
  // The gradients of each chunk: for every layer [out, width of its input], and the sums for
  // biases.
  AlignedRows<float> parts;
  std::vector<double> bias_parts;
  std::vector<std::int64_t> part_begin, bias_begin;
};

void DenseStack::Impl::prepare(const DenseRows& rows) {
  variants = Variants(kernel_isa());
  const std::int64_t num_rows = std::ssize(rows.x) / layers.front().in;
  offsets.assign(rows.offsets.begin(), rows.offsets.end());
  dropout = rows.dropout;
  plan = plan_tiles(num_rows, offsets, widest());
  for (std::size_t level = 0; level <= size(); ++level) {
    sized(activations[level], num_rows * width(level));
  }
  part_begin.assign(1, 0);
  bias_begin.assign(1, 0);
  for (std::size_t layer = 0; layer < size(); ++layer) {
    part_begin.push_back(part_begin.back() + layers[layer].out * width(layer));
    bias_begin.push_back(bias_begin.back() + width(layer + 1));
  }
}

void DenseStack::Impl::pack_forward(std::span<const DenseWeights> weights) {
  for (std::size_t i = 0; i < size(); ++i) {
    const auto [in, out, relu] = layers[i];
    const std::int64_t floats = detail::packed_size(*variants.gemm, in, out);
    detail::pack_tile_b(*variants.gemm, /*transpose=*/true, in, out, weights[i].weight.data(), in,
                        sized(packed[i], floats).data());
    biases[i].assign(static_cast<std::size_t>(width(i + 1)), 0.0F);
    std::ranges::copy(weights[i].bias, biases[i].begin());
    if (has_ones(i + 1)) biases[i][static_cast<std::size_t>(out)] = 1;
  }
}

void DenseStack::Impl::pack_backward(std::span<const DenseWeights> weights, std::size_t first) {
  for (std::size_t i = first; i < size(); ++i) {
    const auto [in, out, relu] = layers[i];
    const std::int64_t floats = detail::packed_size(*variants.gemm, out, in);
    detail::pack_tile_b(*variants.gemm, /*transpose=*/false, out, in, weights[i].weight.data(), in,
                        sized(packed[i], floats).data());
  }
}

std::span<const std::int64_t> DenseStack::Impl::offsets_in(std::int64_t tile,
                                                           Scratch& scratch) const {
  const std::int64_t first = plan.segments[tile];
  const std::int64_t count = plan.segments[tile + 1] - first;
  scratch.offsets.resize(static_cast<std::size_t>(count + 1));
  for (std::int64_t i = 0; i <= count; ++i) {
    scratch.offsets[i] = offsets[first + i] - plan.rows[tile];
  }
  return scratch.offsets;
}

void DenseStack::Impl::forward_tile(std::int64_t tile, const DenseRows& rows, Scratch& scratch,
                                    std::span<float> y) {
  const std::int64_t first_row = plan.rows[tile];
  const std::int64_t num_rows = plan.num_rows(tile);
  float* x = rows_of(0, tile);
  copy_rows(rows.x.data() + first_row * columns(0), columns(0), num_rows, columns(0), width(0), x);
  for (std::int64_t row = 0; has_ones(0) && row < num_rows; ++row) {
    x[row * width(0) + columns(0)] = 1;
  }
  for (std::size_t i = 0; i < size(); ++i) {
    const auto [in, out, relu] = layers[i];
    float* output = rows_of(i + 1, tile);
    variants.gemm->tile_product({num_rows, out, in, rows_of(i, tile), width(i), packed[i].data(),
                                 output, width(i + 1), biases[i].data(), nullptr, relu});
    if (!drops(i)) continue;
    for (std::int64_t row = 0; row < num_rows; ++row) {
      kernels::dropout(std::span(output + row * width(i + 1), static_cast<std::size_t>(out)),
                       dropout, rows.seeds[i],
                       static_cast<std::uint64_t>((rows.first_row + first_row + row) * out));
    }
  }
  const std::int64_t out = layers.back().out;
  const std::int64_t distance = width(size());
  const float* output = rows_of(size(), tile);
  if (plan.segments.empty()) {
    copy_rows(output, distance, num_rows, out, out, y.data() + first_row * out);
    return;
  }
  const std::span<const std::int64_t> starts = offsets_in(tile, scratch);
  const std::int64_t count = std::ssize(starts) - 1;
  const std::span<float> sums = sized(scratch.sums, count * distance);
  variants.segment->sum(output, starts.data(), 0, count, distance, /*mean=*/false, sums.data());
  copy_rows(sums.data(), distance, count, out, out, y.data() + plan.segments[tile] * out);
}

// Calls for the rows of a level: products read them column by column, which no prefetcher foresees.
void DenseStack::Impl::fetch(std::size_t level, std::int64_t tile) {
  const float* rows = rows_of(level, tile);
  const std::int64_t size = plan.num_rows(tile) * width(level);
  constexpr std::int64_t kLine = 16;
  for (std::int64_t i = 0; i < size; i += kLine) __builtin_prefetch(rows + i, 0, 2);
}

// Lets the gradient pass where the output is above zero: neither relu nor dropout stopped it there.
void DenseStack::Impl::gate(std::size_t layer, std::int64_t tile, float* grad) {
  const std::int64_t size = plan.num_rows(tile) * width(layer + 1);
  variants.elementwise->relu_backward(rows_of(layer + 1, tile), grad, size);
}

void DenseStack::Impl::take_gradient(std::int64_t tile, std::span<const float> grad_y,
                                     Scratch& scratch) {
  const std::size_t last = size() - 1;
  const std::int64_t out = layers[last].out;
  const std::int64_t distance = width(size());
  const std::int64_t num_rows = plan.num_rows(tile);
  float* grad = scratch.grad.data();
  if (plan.segments.empty()) {
    copy_rows(grad_y.data() + plan.rows[tile] * out, out, num_rows, out, distance, grad);
  } else {
    const std::span<const std::int64_t> starts = offsets_in(tile, scratch);
    const std::int64_t count = std::ssize(starts) - 1;
    const std::span<float> sums = sized(scratch.sums, count * distance);
    copy_rows(grad_y.data() + plan.segments[tile] * out, out, count, out, distance, sums.data());
    variants.segment->backward(sums.data(), starts.data(), 0, count, distance, /*mean=*/false,
                               grad);
  }
  if (layers[last].relu) gate(last, tile, grad);
}

void DenseStack::Impl::add_gradients(std::size_t layer, std::int64_t tile, std::int64_t chunk,
                                     Scratch& scratch) {
  const auto [in, out, relu] = layers[layer];
  const std::int64_t num_rows = plan.num_rows(tile);
  const std::int64_t distance = width(layer + 1);
  float* part = parts.data() + chunk * part_begin.back() + part_begin[layer];
  variants.gemm->tile_gradient({num_rows, out, in + (has_ones(layer) ? 1 : 0), scratch.grad.data(),
                                distance, rows_of(layer, tile), width(layer), part, width(layer)});
  if (has_ones(layer)) return;
  double* sums = bias_parts.data() + chunk * bias_begin.back() + bias_begin[layer];
  scratch.column_sums.resize(static_cast<std::size_t>(distance));
  variants.column->sums(scratch.grad.data(), num_rows, distance, scratch.column_sums.data());
  for (std::int64_t j = 0; j < out; ++j) sums[j] += scratch.column_sums[j];
}

// Turns the gradient of a layer's output into the one of its input, in front of the relu there.
void DenseStack::Impl::pass_back(std::size_t layer, std::int64_t tile, bool gated,
                                 Scratch& scratch) {
  const auto [in, out, relu] = layers[layer];
  const std::int64_t num_rows = plan.num_rows(tile);
  variants.gemm->tile_product({num_rows, in, out, scratch.grad.data(), width(layer + 1),
                               packed[layer].data(), scratch.next_grad.data(), width(layer),
                               nullptr, gated ? rows_of(layer, tile) : nullptr, false});
  std::swap(scratch.grad, scratch.next_grad);
}

void DenseStack::Impl::backward_tile(std::int64_t tile, std::int64_t chunk,
                                     std::span<const float> grad_y, std::span<float> grad_x,
                                     Scratch& scratch) {
  const std::int64_t num_rows = plan.num_rows(tile);
  take_gradient(tile, grad_y, scratch);
  fetch(size() - 1, tile);
  for (std::size_t layer = size(); layer-- > 0;) {
    if (layer > 0) fetch(layer - 1, tile);
    if (drops(layer)) {
      const float scale = 1 / (1 - dropout);
      float* grad = scratch.grad.data();
      for (std::int64_t i = 0; i < num_rows * width(layer + 1); ++i) grad[i] *= scale;
    }
    add_gradients(layer, tile, chunk, scratch);
    if (layer > 0) pass_back(layer, tile, layers[layer - 1].relu, scratch);
  }
  if (grad_x.empty()) return;
  pass_back(0, tile, false, scratch);
  copy_rows(scratch.grad.data(), width(0), num_rows, columns(0), columns(0),
            grad_x.data() + plan.rows[tile] * columns(0));
}

// Adds up the chunks in their order.
void DenseStack::Impl::finish_gradients(std::size_t layer, const DenseGradients& gradients) const {
  const auto [in, out, relu] = layers[layer];
  const std::int64_t distance = width(layer);
  const bool ones = has_ones(layer);
  parallel_for(out, detail::row_grain(distance * plan.num_chunks),
               [&, in = in](std::int64_t begin, std::int64_t end) {
                 std::vector<double> sum(static_cast<std::size_t>(distance));
                 for (std::int64_t row = begin; row < end; ++row) {
                   std::ranges::fill(sum, 0.0);
                   double bias = 0;
                   for (std::int64_t chunk = 0; chunk < plan.num_chunks; ++chunk) {
                     const float* part = parts.data() + chunk * part_begin.back() +
                                         part_begin[layer] + row * distance;
                     for (std::int64_t j = 0; j < distance; ++j) sum[j] += part[j];
                     if (!ones)
                       bias += bias_parts[chunk * bias_begin.back() + bias_begin[layer] + row];
                   }
                   for (std::int64_t j = 0; j < in; ++j) {
                     gradients.weight[row * in + j] = static_cast<float>(sum[j]);
                   }
                   if (!gradients.bias.empty()) {
                     gradients.bias[row] = static_cast<float>(ones ? sum[in] : bias);
                   }
                 }
               });
}

DenseStack::DenseStack(std::vector<DenseLayer> layers)
    : impl_(std::make_unique<Impl>(std::move(layers))) {}
DenseStack::~DenseStack() = default;

void DenseStack::forward(std::span<const DenseWeights> weights, const DenseRows& rows,
                         std::span<float> y) {
  Impl& stack = *impl_;
  JETCAL_DCHECK(weights.size() == stack.size());
  JETCAL_DCHECK(rows.dropout == 0 || rows.seeds.size() == stack.size());
  stack.prepare(rows);
  stack.pack_forward(weights);
  parallel_for(stack.plan.num_tiles(), 1, [&](std::int64_t begin, std::int64_t end) {
    Impl::Scratch scratch;
    for (std::int64_t tile = begin; tile < end; ++tile) {
      stack.forward_tile(tile, rows, scratch, y);
    }
  });
}

void DenseStack::backward(std::span<const DenseWeights> weights, std::span<const float> grad_y,
                          std::span<float> grad_x, std::span<const DenseGradients> gradients) {
  Impl& stack = *impl_;
  JETCAL_DCHECK(weights.size() == stack.size() && gradients.size() == stack.size());
  stack.pack_backward(weights, grad_x.empty() ? 1 : 0);
  sized(stack.parts, stack.plan.num_chunks * stack.part_begin.back());
  stack.bias_parts.resize(
      static_cast<std::size_t>(stack.plan.num_chunks * stack.bias_begin.back()));
  const auto floats = static_cast<std::size_t>(stack.plan.longest() * stack.widest());
  parallel_for(stack.plan.num_chunks, 1, [&](std::int64_t begin, std::int64_t end) {
    Impl::Scratch scratch;
    scratch.grad.resize(floats);
    scratch.next_grad.resize(floats);
    for (std::int64_t chunk = begin; chunk < end; ++chunk) {
      std::fill_n(stack.parts.begin() + chunk * stack.part_begin.back(), stack.part_begin.back(),
                  0.0F);
      std::fill_n(stack.bias_parts.begin() + chunk * stack.bias_begin.back(),
                  stack.bias_begin.back(), 0.0);
      const std::int64_t end_tile =
          std::min(stack.plan.num_tiles(), (chunk + 1) * stack.plan.chunk_tiles);
      for (std::int64_t tile = chunk * stack.plan.chunk_tiles; tile < end_tile; ++tile) {
        stack.backward_tile(tile, chunk, grad_y, grad_x, scratch);
      }
    }
  });
  for (std::size_t layer = 0; layer < stack.size(); ++layer) {
    stack.finish_gradients(layer, gradients[layer]);
  }
}

}  // namespace jetcal::kernels
