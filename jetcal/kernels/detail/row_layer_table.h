// SPDX-License-Identifier: Apache-2.0
// Picks the functions behind row_layer.h and edge_infer.h of a variant.
#pragma once

#include "jetcal/base/cpu.h"
#include "jetcal/kernels/detail/row_layer_kernels.h"

namespace jetcal::kernels::detail {

const RowLayerKernels& row_layer_kernels(Isa isa);

}  // namespace jetcal::kernels::detail
