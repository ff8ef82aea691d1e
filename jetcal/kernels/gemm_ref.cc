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

constexpr std::int64_t kNoLimit = std::int64_t{1} << 62;  // one panel, one block: plain row-major b

}  // namespace

const GemmKernels kGemmRef{kNoLimit, 1, kNoLimit, block};

}  // namespace jetcal::kernels::detail
