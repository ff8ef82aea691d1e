// SPDX-License-Identifier: Apache-2.0
#include "jetcal/kernels/detail/quantised_simd.h"

namespace jetcal::kernels::detail {

const QuantisedKernels kInt16Avx512 = quantised_kernels<Int16Format>();
const QuantisedKernels kInt8Avx512 = quantised_kernels<Int8Format>();

}  // namespace jetcal::kernels::detail
