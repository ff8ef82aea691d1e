// SPDX-License-Identifier: Apache-2.0
#include "jetcal/kernels/gemm.h"

#include <algorithm>
#include <bit>
#include <cstring>

#include "jetcal/base/error.h"
#include "jetcal/kernels/aligned_rows.h"
#include "jetcal/kernels/detail/dispatch.h"
#include "jetcal/kernels/detail/packed_product.h"

namespace jetcal::kernels {
namespace detail {

const GemmKernels& gemm_kernels(Isa isa) { return pick(isa, kGemmRef, kGemmAvx2, kGemmAvx512); }

// Cuts k into equal blocks of at most `longest`. Depends on k alone, so that all rows and columns
// add up in the same order.
static std::int64_t k_block_length(std::int64_t longest, std::int64_t k) noexcept {
  if (k <= longest) return k > 1 ? k : 1;
  const std::int64_t blocks = (k + longest - 1) / longest;
  return (k + blocks - 1) / blocks;
}

static std::int64_t padded_columns(const GemmKernels& kernels, std::int64_t n) noexcept {
  return (n + kernels.vector_columns - 1) / kernels.vector_columns * kernels.vector_columns;
}

std::int64_t packed_size(const GemmKernels& kernels, std::int64_t k, std::int64_t n) noexcept {
  return k * padded_columns(kernels, n);
}

// Copies a few floats; chunks of known length spare the call of memcpy.
static void copy_columns(const float* from, std::int64_t columns, float* to) noexcept {
  constexpr std::int64_t kChunk = 16;
  std::int64_t j = 0;
  for (; j + kChunk <= columns; j += kChunk) std::memcpy(to + j, from + j, kChunk * sizeof *to);
  for (; j < columns; ++j) to[j] = from[j];
}

// Packs k rows and the columns of one panel, whose corner in b is given.
static void pack_panel(bool transpose, std::int64_t k, std::int64_t columns, std::int64_t width,
                       const float* corner, std::int64_t ldb, float* panel) noexcept {
  for (std::int64_t p = 0; p < k; ++p) {
    float* row = panel + p * width;
    if (transpose) {
      for (std::int64_t j = 0; j < columns; ++j) row[j] = corner[j * ldb + p];
    } else {
      copy_columns(corner + p * ldb, columns, row);
    }
    for (std::int64_t j = columns; j < width; ++j) row[j] = 0;
  }
}

// Packs panel after panel, the last one with zeros up to a whole vector.
static void pack_panels(const GemmKernels& kernels, bool transpose, std::int64_t k, std::int64_t n,
                        const float* b, std::int64_t ldb, float* packed) noexcept {
  for (std::int64_t j = 0; j < n; j += kernels.panel_columns) {
    const std::int64_t columns = std::min(kernels.panel_columns, n - j);
    const std::int64_t width = padded_columns(kernels, columns);
    pack_panel(transpose, k, columns, width, transpose ? b + j * ldb : b + j, ldb, packed);
    packed += k * width;
  }
}

void pack_tile_b(const GemmKernels& kernels, bool transpose, std::int64_t k, std::int64_t n,
                 const float* b, std::int64_t ldb, float* packed) noexcept {
  const std::int64_t narrow = narrow_columns(kernels.vector_columns, n);
  const std::int64_t whole = n - narrow;
  pack_panels(kernels, transpose, k, whole, b, ldb, packed);
  if (narrow == 0) return;
  // Several of k share a vector: their columns lie one after the other.
  const auto width = static_cast<std::int64_t>(std::bit_ceil(static_cast<std::uint64_t>(narrow)));
  float* const last = packed + whole * k;
  std::fill(last, last + k * kernels.vector_columns, 0.0F);
  for (std::int64_t p = 0; p < k; ++p) {
    for (std::int64_t j = 0; j < narrow; ++j) {
      last[p * width + j] = transpose ? b[(whole + j) * ldb + p] : b[p * ldb + whole + j];
    }
  }
}

void pack_b(const GemmKernels& kernels, bool transpose, std::int64_t k, std::int64_t n,
            const float* b, std::int64_t ldb, float* packed) noexcept {
  const std::int64_t step = k_block_length(kernels.k_block, k);
  for (std::int64_t p = 0; p < k; p += step) {
    const std::int64_t rows = std::min(step, k - p);
    pack_panels(kernels, transpose, rows, n, transpose ? b + p : b + p * ldb, ldb, packed);
    packed += rows * padded_columns(kernels, n);
  }
}

void packed_product(const GemmKernels& kernels, const GemmBlock& product) noexcept {
  if (product.m <= 0 || product.n <= 0) return;
  const std::int64_t step = k_block_length(kernels.k_block, product.k);
  const std::int64_t width = padded_columns(kernels, product.n);
  GemmBlock part = product;
  for (std::int64_t p = 0; p == 0 || p < product.k; p += step) {
    part.k = std::min(step, product.k - p);
    part.a = product.a + p * product.a_k_stride;
    part.packed_b = product.packed_b + p * width;
    part.beta = p == 0 ? product.beta : 1;
    const bool last = p + step >= product.k;
    part.bias = last ? product.bias : nullptr;
    part.relu = last && product.relu;
    kernels.block(part);
  }
}

}  // namespace detail

void gemm(bool transpose_a, bool transpose_b, std::int64_t m, std::int64_t n, std::int64_t k,
          float alpha, const float* a, std::int64_t lda, const float* b, std::int64_t ldb,
          float beta, float* c, std::int64_t ldc) {
  JETCAL_DCHECK(m >= 0 && n >= 0 && k >= 0 && ldc >= n);
  JETCAL_DCHECK(lda >= (transpose_a ? m : k) && ldb >= (transpose_b ? k : n));
  if (m <= 0 || n <= 0) return;
  const detail::GemmKernels& kernels = detail::gemm_kernels(kernel_isa());
  constexpr std::int64_t kColumns = 512;  // b's part of 256 rows is then half of a 1 MB cache
  // The rows of a transposed a lie apart; half as many of them stay in the nearest cache (+18 % for
  // [50, 4096] by [4096, 50]).
  const std::int64_t longest = transpose_a ? kernels.k_block / 4 : kernels.k_block / 2;
  const std::int64_t step = detail::k_block_length(longest, k);
  AlignedRows<float> packed(
      static_cast<std::size_t>(detail::packed_size(kernels, step, std::min(n, kColumns))));
  for (std::int64_t j = 0; j < n; j += kColumns) {
    const std::int64_t columns = std::min(kColumns, n - j);
    for (std::int64_t p = 0; p == 0 || p < k; p += step) {
      const std::int64_t rows = std::min(step, k - p);
      detail::pack_b(kernels, transpose_b, rows, columns,
                     transpose_b ? b + j * ldb + p : b + p * ldb + j, ldb, packed.data());
      kernels.block({m, columns, rows, transpose_a ? a + p * lda : a + p, transpose_a ? 1 : lda,
                     transpose_a ? lda : 1, packed.data(), c + j, ldc, alpha, p == 0 ? beta : 1,
                     nullptr, false});
    }
  }
}

}  // namespace jetcal::kernels
