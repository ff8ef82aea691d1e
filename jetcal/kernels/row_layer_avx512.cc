// SPDX-License-Identifier: Apache-2.0
#include "jetcal/kernels/detail/row_layer_simd.h"

namespace jetcal::kernels::detail {

const RowLayerKernels kRowLayerAvx512{kLanes, layer_product, edge_gather, edge_sum, block_end};

}  // namespace jetcal::kernels::detail
