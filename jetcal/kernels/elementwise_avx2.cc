// SPDX-License-Identifier: Apache-2.0
#include "jetcal/kernels/detail/elementwise_simd.h"

namespace jetcal::kernels::detail {

const ElementwiseKernels kElementwiseAvx2{relu_all, relu_gradient_all, add_all};

}  // namespace jetcal::kernels::detail
