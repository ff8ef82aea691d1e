// SPDX-License-Identifier: Apache-2.0
// Multiplies matrices.
#pragma once

#include <cstdint>

namespace jetcal::kernels {

/// Computes c = alpha op(a) op(b) + beta c on the calling thread.
///
/// Shapes: op(a) [m, k], op(b) [k, n], c [m, n], row-major with rows lda, ldb, ldc apart; op
/// transposes where its flag is set, so a transposed a is stored as [k, m]. With beta 0, c is not
/// read. Every element sums over k in the same order wherever it lies: a row of c has the same bits
/// in any m. Thread-safe; allocates work space.
void gemm(bool transpose_a, bool transpose_b, std::int64_t m, std::int64_t n, std::int64_t k,
          float alpha, const float* a, std::int64_t lda, const float* b, std::int64_t ldb,
          float beta, float* c, std::int64_t ldc);

}  // namespace jetcal::kernels
