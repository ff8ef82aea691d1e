// SPDX-License-Identifier: Apache-2.0
#include "jetcal/kernels/detail/edge_conv_simd.h"

namespace jetcal::kernels::detail {

const EdgeConvKernels kEdgeConvAvx2 = kEdgeConvSimd;

}  // namespace jetcal::kernels::detail
