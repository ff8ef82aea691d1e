// SPDX-License-Identifier: Apache-2.0
// Picks the functions behind quantised_layer.h.
#pragma once

#include "jetcal/base/cpu.h"
#include "jetcal/kernels/detail/quantised_kernels.h"
#include "jetcal/kernels/precision.h"

namespace jetcal::kernels::detail {

/// Requires: supports(precision), and a precision other than Float32.
const QuantisedKernels& quantised_kernels(Isa isa, Precision precision);

}  // namespace jetcal::kernels::detail
