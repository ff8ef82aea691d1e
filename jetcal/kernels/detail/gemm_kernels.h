// SPDX-License-Identifier: Apache-2.0
// The variants behind gemm.h and linear.h: one block of a product with packed b.
#pragma once

#include <cstdint>

namespace jetcal::kernels::detail {

/// Asks for c = alpha a b + beta c (+ bias, relu), a [m, k] with one stride of 1, b [k, n]
/// packed.
///
/// Packed b is a row of panels: panel j0 starts at j0 k floats and holds, for every k, the columns
/// j0..j0 + w; w is panel_columns, less for the last one, whose columns beyond n are zeros up to a
/// multiple of vector_columns. With beta 0, c is not read. bias may be null.
struct GemmBlock {
  std::int64_t m, n, k;
  const float* a;
  std::int64_t a_row_stride, a_k_stride;
  const float* packed_b;
  float* c;
  std::int64_t ldc;
  float alpha, beta;
  const float* bias;
  bool relu;
};

/// Asks for c = gate(relu(bias + a b)) for a tile in cache: a [rows, k], packed b [k, n], c [rows,
/// n].
///
/// Rows of a and c are lda and ldc apart. Whole vectors are written: c has room for n rounded up to
/// vector_columns and gets numbers without meaning there (zeros without a bias). b is packed in one
/// block of k by pack_tile_b: panels as in GemmBlock, but narrow_columns() last columns follow as
/// vectors of several k each, w columns (their number rounded up to a power of two) for every k.
/// bias and gate may be null and are as long and as wide as rows of c; gate, rows ldc apart, lets
/// pass only where it is above zero (relu's backward).
struct TileProduct {
  std::int64_t rows, n, k;
  const float* a;
  std::int64_t lda;
  const float* packed_b;
  float* c;
  std::int64_t ldc;
  const float* bias = nullptr;
  const float* gate = nullptr;
  bool relu = false;
};

/// Asks for c += a^T b over a tile of rows in cache: a [rows, m], b [rows, n], c [m, n], row-major.
///
/// Rows are lda, ldb and ldc apart. Whole vectors are read and written: rows of b and c have room
/// for n rounded up to vector_columns, and c gets numbers without meaning there. Distances that
/// are a multiple of 64 floats share few sets of the nearest cache: odd multiples of 8 are better.
struct TileGradient {
  std::int64_t rows, m, n;
  const float* a;
  std::int64_t lda;
  const float* b;
  std::int64_t ldb;
  float* c;
  std::int64_t ldc;
};

/// Returns how many last columns of a TileProduct do not deserve a vector of their own: at most
/// half a vector, and none where a vector is one float.
static constexpr std::int64_t narrow_columns(std::int64_t vector_columns, std::int64_t n) noexcept {
  const std::int64_t last = n % vector_columns;
  return 4 * last <= vector_columns ? last : 0;
}

struct GemmKernels {
  std::int64_t panel_columns, vector_columns;
  std::int64_t k_block;  ///< Longest sum that stays in registers; longer ones are added up in c.
  void (*block)(const GemmBlock& block);
  void (*tile_product)(const TileProduct& product);
  void (*tile_gradient)(const TileGradient& gradient);
};

extern const GemmKernels kGemmRef, kGemmAvx2, kGemmAvx512;

}  // namespace jetcal::kernels::detail
