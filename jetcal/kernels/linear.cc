// SPDX-License-Identifier: Apache-2.0
#include "jetcal/kernels/linear.h"

#include <algorithm>
#include <vector>

#include "jetcal/base/error.h"
#include "jetcal/base/threads.h"
#include "jetcal/kernels/aligned_rows.h"
#include "jetcal/kernels/detail/column_kernels.h"
#include "jetcal/kernels/detail/dispatch.h"
#include "jetcal/kernels/detail/packed_product.h"

namespace jetcal::kernels {
namespace {

// y = x b for rows on all threads, b [in, out] packed.
void multiply_rows(const detail::GemmKernels& kernels, const float* x, std::int64_t rows,
                   std::int64_t in, std::int64_t out, const float* packed_b, const float* bias,
                   bool relu, float* y) {
  constexpr std::int64_t kMinRows = 48;  // a multiple of every variant's tile
  const std::int64_t grain = std::max(detail::row_grain(in + out), kMinRows);
  parallel_for(rows, grain, [&](std::int64_t begin, std::int64_t end) {
    detail::packed_product(kernels, {end - begin, out, in, x + begin * in, in, 1, packed_b,
                                     y + begin * out, out, 1, 0, bias, relu});
  });
}

// Cuts rows into blocks by their number alone; each block's gradients are summed on their own.
struct RowBlocks {
  explicit RowBlocks(std::int64_t num_rows) : rows(num_rows) {
    constexpr std::int64_t kMaxBlocks = 32;
    constexpr std::int64_t kMinRows = 4096;
    step = std::max(kMinRows, (rows + kMaxBlocks - 1) / kMaxBlocks);
    count = std::max<std::int64_t>(1, (rows + step - 1) / step);
  }
  std::int64_t begin(std::int64_t block) const { return block * step; }
  std::int64_t size(std::int64_t block) const { return std::min(step, rows - block * step); }
  std::int64_t rows, step = 0, count = 0;
};

// Adds up the partial results [count, size] element by element in the order of the blocks.
template <typename T>
void add_blocks(const std::vector<T>& parts, std::int64_t count, std::span<float> total) {
  const std::int64_t size = std::ssize(total);
  parallel_for(size, detail::row_grain(count), [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t i = begin; i < end; ++i) {
      double sum = 0;
      for (std::int64_t block = 0; block < count; ++block) sum += parts[block * size + i];
      total[i] = static_cast<float>(sum);
    }
  });
}

void bias_gradient(const RowBlocks& blocks, std::span<const float> grad_y, std::int64_t out,
                   std::span<float> grad_bias) {
  const auto& kernels =
      detail::pick(kernel_isa(), detail::kColumnRef, detail::kColumnAvx2, detail::kColumnAvx512);
  std::vector<double> parts(static_cast<std::size_t>(blocks.count * out));
  parallel_for(blocks.count, 1, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t block = begin; block < end; ++block) {
      kernels.sums(grad_y.data() + blocks.begin(block) * out, blocks.size(block), out,
                   parts.data() + block * out);
    }
  });
  add_blocks(parts, blocks.count, grad_bias);
}

// Sums up grad_y^T x. Rows of x are copied with padding, tile by tile; a column of ones in the
// padding gives the gradient of the bias for nothing.
class WeightGradient {
 public:
  WeightGradient(std::span<const float> x, std::span<const float> grad_y, std::int64_t in,
                 std::int64_t out, bool with_bias)
      : x_(x.data()), grad_y_(grad_y.data()), in_(in), out_(out) {
    const std::int64_t whole = (in + kernels_.vector_columns - 1) / kernels_.vector_columns;
    width_ = whole * kernels_.vector_columns;
    has_ones_ = with_bias && width_ > in;
    if (width_ % 64 == 0)
      width_ += kernels_.vector_columns;  // rows would share few sets of a cache
  }
  bool has_ones() const { return has_ones_; }
  std::int64_t width() const { return width_; }

  // Adds the gradients of some outputs over some rows to sums [out, width].
  void add(std::int64_t row, std::int64_t rows, std::int64_t column, std::int64_t columns,
           float* sums) const {
    constexpr std::int64_t kLongest = 128;
    const std::int64_t longest = kernels_.vector_columns > 1 ? kLongest : rows;  // ref: one sum
    AlignedRows<float> tile(static_cast<std::size_t>(std::min(longest, rows) * width_));
    const std::int64_t end = row + rows;
    for (; row < end; row += longest) {
      const std::int64_t count = std::min(longest, end - row);
      for (std::int64_t r = 0; r < count; ++r) {
        std::copy_n(x_ + (row + r) * in_, in_, tile.data() + r * width_);
        if (has_ones_) tile[r * width_ + in_] = 1;
        // The product reads grad_y column by column, which no prefetcher foresees.
        const float* grad = grad_y_ + (row + r) * out_ + column;
        for (std::int64_t j = 0; j < columns; j += 16) __builtin_prefetch(grad + j);
      }
      kernels_.tile_gradient({count, columns, in_ + (has_ones_ ? 1 : 0),
                              grad_y_ + row * out_ + column, out_, tile.data(), width_,
                              sums + column * width_, width_});
    }
  }

  // Adds up one output's gradients of all blocks in their order.
  void finish(const AlignedRows<float>& parts, std::int64_t blocks, std::int64_t row,
              std::span<float> grad_weight, std::span<float> grad_bias) const {
    if (blocks == 1) {
      const float* sums = parts.data() + row * width_;
      std::copy_n(sums, in_, grad_weight.data() + row * in_);
      if (has_ones_) grad_bias[row] = sums[in_];
      return;
    }
    for (std::int64_t j = 0; j < in_ + (has_ones_ ? 1 : 0); ++j) {
      double sum = 0;
      for (std::int64_t block = 0; block < blocks; ++block) {
        sum += parts[(block * out_ + row) * width_ + j];
      }
      (j < in_ ? grad_weight[row * in_ + j] : grad_bias[row]) = static_cast<float>(sum);
    }
  }

 private:
  const detail::GemmKernels& kernels_ = detail::gemm_kernels(kernel_isa());
  const float* x_;
  const float* grad_y_;
  std::int64_t in_, out_;
  std::int64_t width_ = 0;
  bool has_ones_ = false;
};

}  // namespace

void linear_forward(std::span<const float> x, std::span<const float> weight,
                    std::span<const float> bias, std::int64_t in, std::int64_t out,
                    std::span<float> y, Activation activation) {
  if (y.empty()) return;
  const std::int64_t rows = std::ssize(y) / out;
  JETCAL_DCHECK(std::ssize(y) == rows * out && std::ssize(x) == rows * in);
  JETCAL_DCHECK(std::ssize(weight) == in * out);
  JETCAL_DCHECK(bias.empty() || std::ssize(bias) == out);
  const auto& kernels = detail::gemm_kernels(kernel_isa());
  AlignedRows<float> packed(static_cast<std::size_t>(detail::packed_size(kernels, in, out)));
  detail::pack_b(kernels, /*transpose=*/true, in, out, weight.data(), in, packed.data());
  multiply_rows(kernels, x.data(), rows, in, out, packed.data(),
                bias.empty() ? nullptr : bias.data(), activation == Activation::Relu, y.data());
}

void linear_backward_input(std::span<const float> grad_y, std::span<const float> weight,
                           std::int64_t in, std::int64_t out, std::span<float> grad_x) {
  if (grad_x.empty()) return;
  const std::int64_t rows = std::ssize(grad_x) / in;
  JETCAL_DCHECK(std::ssize(grad_x) == rows * in && std::ssize(grad_y) == rows * out);
  JETCAL_DCHECK(std::ssize(weight) == in * out);
  const auto& kernels = detail::gemm_kernels(kernel_isa());
  AlignedRows<float> packed(static_cast<std::size_t>(detail::packed_size(kernels, out, in)));
  detail::pack_b(kernels, /*transpose=*/false, out, in, weight.data(), in, packed.data());
  multiply_rows(kernels, grad_y.data(), rows, out, in, packed.data(), nullptr, /*relu=*/false,
                grad_x.data());
}

void linear_backward_weights(std::span<const float> x, std::span<const float> grad_y,
                             std::int64_t in, std::int64_t out, std::span<float> grad_weight,
                             std::span<float> grad_bias) {
  JETCAL_DCHECK(std::ssize(grad_weight) == in * out);
  JETCAL_DCHECK(grad_bias.empty() || std::ssize(grad_bias) == out);
  if (out <= 0) return;
  const RowBlocks blocks(std::ssize(grad_y) / out);
  JETCAL_DCHECK(std::ssize(grad_y) == blocks.rows * out && std::ssize(x) == blocks.rows * in);
  const WeightGradient gradient(x, grad_y, in, out, !grad_bias.empty());
  if (!grad_bias.empty() && !gradient.has_ones()) bias_gradient(blocks, grad_y, out, grad_bias);
  // Few blocks: several threads then share a block's outputs, which changes no sum.
  const bool shared = blocks.count < 2 * num_threads() && num_threads() > 1;
  const std::int64_t tiles = shared ? (out + 95) / 96 : 1;
  const std::int64_t tile = ((out + tiles - 1) / tiles + 11) / 12 * 12;  // whole tiles of registers
  const std::int64_t size = out * gradient.width();
  AlignedRows<float> parts(static_cast<std::size_t>(blocks.count * size));
  parallel_for(blocks.count * tiles, 1, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t task = begin; task < end; ++task) {
      const std::int64_t block = task / tiles;
      const std::int64_t column = task % tiles * tile;
      if (column >= out) continue;
      gradient.add(blocks.begin(block), blocks.size(block), column, std::min(tile, out - column),
                   parts.data() + block * size);
    }
  });
  parallel_for(out, detail::row_grain(blocks.count * gradient.width()),
               [&](std::int64_t begin, std::int64_t end) {
                 for (std::int64_t row = begin; row < end; ++row) {
                   gradient.finish(parts, blocks.count, row, grad_weight, grad_bias);
                 }
               });
}

}  // namespace jetcal::kernels
