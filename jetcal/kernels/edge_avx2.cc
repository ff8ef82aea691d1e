// SPDX-License-Identifier: Apache-2.0
#include "jetcal/kernels/detail/edge_simd.h"

namespace jetcal::kernels::detail {

const EdgeKernels kEdgeAvx2{edge_sums, edge_gather_sums};

}  // namespace jetcal::kernels::detail
