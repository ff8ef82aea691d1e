// SPDX-License-Identifier: Apache-2.0
#include "jetcal/kernels/detail/gemm_kernels.h"

namespace jetcal::kernels::detail {
namespace {

void block(const GemmBlock& product) {
  for (std::int64_t i = 0; i < product.m; ++i) {
    for (std::int64_t j = 0; j < product.n; ++j) {
      double total = 0;
      for (std::int64_t p = 0; p < product.k; ++p) {
        const double a = product.a[i * product.a_row_stride + p * product.a_k_stride];
        total += a * product.packed_b[p * product.n + j];
      }
      float& c = product.c[i * product.ldc + j];
      total *= product.alpha;
      if (product.beta != 0) total += static_cast<double>(product.beta) * c;
      if (product.bias != nullptr) total += product.bias[j];
      c = static_cast<float>(product.relu && total < 0 ? 0 : total);
    }
  }
}

void tile_product(const TileProduct& product) {
  for (std::int64_t i = 0; i < product.rows; ++i) {
    for (std::int64_t j = 0; j < product.n; ++j) {
      double total = product.bias == nullptr ? 0 : product.bias[j];
      for (std::int64_t p = 0; p < product.k; ++p) {
        const double a = product.a[i * product.lda + p];
        total += a * product.packed_b[p * product.n + j];
      }
      if (product.relu && total < 0) total = 0;
      const std::int64_t place = i * product.ldc + j;
      if (product.gate != nullptr && product.gate[place] <= 0) total = 0;
      product.c[place] = static_cast<float>(total);
    }
  }
}

void tile_gradient(const TileGradient& gradient) {
  for (std::int64_t i = 0; i < gradient.m; ++i) {
    for (std::int64_t j = 0; j < gradient.n; ++j) {
      float& c = gradient.c[i * gradient.ldc + j];
      double total = c;
      for (std::int64_t r = 0; r < gradient.rows; ++r) {
        const double a = gradient.a[r * gradient.lda + i];
        total += a * gradient.b[r * gradient.ldb + j];
      }
      c = static_cast<float>(total);
    }
  }
}

constexpr std::int64_t kNoLimit = std::int64_t{1} << 62;  // one panel, one block: plain row-major b

}  // namespace

const GemmKernels kGemmRef{kNoLimit, 1, kNoLimit, block, tile_product, tile_gradient};

}  // namespace jetcal::kernels::detail
