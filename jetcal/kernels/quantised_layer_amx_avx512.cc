// SPDX-License-Identifier: Apache-2.0
// Compiled with AMX, AVX512_BF16 and AVX512_VNNI.
#include "jetcal/kernels/detail/tile_products.h"

namespace jetcal::kernels::detail {

const QuantisedKernels kBfloat16Amx = tile_kernels<Bfloat16Tiles>();
const QuantisedKernels kInt8Amx = tile_kernels<Int8Tiles>();

}  // namespace jetcal::kernels::detail
