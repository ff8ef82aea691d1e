// SPDX-License-Identifier: Apache-2.0
// Compiled with AVX512_VNNI: four products of bytes and their sum are one instruction.
#include "jetcal/kernels/detail/quantised_simd.h"

namespace jetcal::kernels::detail {

const QuantisedKernels kInt8Vnni = quantised_kernels<Int8Format>();

}  // namespace jetcal::kernels::detail
