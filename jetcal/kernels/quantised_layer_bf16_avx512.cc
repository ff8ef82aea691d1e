// SPDX-License-Identifier: Apache-2.0
// Compiled with AVX512_BF16.
#include "jetcal/kernels/detail/quantised_simd.h"

namespace jetcal::kernels::detail {

const QuantisedKernels kBfloat16Avx512 = quantised_kernels<Bfloat16Format>();

}  // namespace jetcal::kernels::detail
