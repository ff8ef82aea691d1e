// SPDX-License-Identifier: Apache-2.0
#include "jetcal/kernels/detail/layer_norm_simd.h"

namespace jetcal::kernels::detail {

const LayerNormKernels kLayerNormAvx2{normalise_rows, gradient_rows};

}  // namespace jetcal::kernels::detail
