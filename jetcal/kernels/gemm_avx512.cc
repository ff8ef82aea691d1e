// SPDX-License-Identifier: Apache-2.0
#include "jetcal/kernels/detail/gemm_simd.h"

namespace jetcal::kernels::detail {

const GemmKernels kGemmAvx512{kTileVectors * kLanes, kLanes,   512,
                              compute_block,         multiply, add_gradient};

}  // namespace jetcal::kernels::detail
