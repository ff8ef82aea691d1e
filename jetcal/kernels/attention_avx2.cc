// SPDX-License-Identifier: Apache-2.0
#include "jetcal/kernels/detail/attention_simd.h"

namespace jetcal::kernels::detail {

const AttentionKernels kAttentionAvx2{kLanes, pair_rows, softmax, softmax_gradient};

}  // namespace jetcal::kernels::detail
