// SPDX-License-Identifier: Apache-2.0
// The variants behind gemm.h and linear.h: one block of a product with packed b.
#pragma once

#include <cstdint>

namespace jetcal::kernels::detail {

/// Asks for c = alpha a b + beta c (+ bias, relu), a [m, k] with any strides, b [k, n] packed.
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

struct GemmKernels {
  std::int64_t panel_columns, vector_columns;
  std::int64_t k_block;  ///< Longest sum that stays in registers; longer ones are added up in c.
  void (*block)(const GemmBlock& block);
};

extern const GemmKernels kGemmRef, kGemmAvx2, kGemmAvx512;

}  // namespace jetcal::kernels::detail
