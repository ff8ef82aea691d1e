// SPDX-License-Identifier: Apache-2.0
#include "jetcal/kernels/detail/optimizer_step_simd.h"

namespace jetcal::kernels::detail {

const OptimizerStepKernels kOptimizerStepAvx2{moments_all, squares_all, finite_all};

}  // namespace jetcal::kernels::detail
