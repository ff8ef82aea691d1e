// SPDX-License-Identifier: Apache-2.0
#include "jetcal/kernels/detail/segment_simd.h"

namespace jetcal::kernels::detail {

const SegmentKernels kSegmentAvx2{segment_sums, segment_gradients};

}  // namespace jetcal::kernels::detail
