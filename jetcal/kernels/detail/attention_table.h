// SPDX-License-Identifier: Apache-2.0
// Picks the functions behind attention.h and pair_quantities.h of the variant in use.
#pragma once

#include "jetcal/kernels/detail/attention_kernels.h"
#include "jetcal/kernels/detail/dispatch.h"

namespace jetcal::kernels::detail {

inline const AttentionKernels& attention_kernels(Isa isa) {
  return pick(isa, kAttentionRef, kAttentionAvx2, kAttentionAvx512);
}

}  // namespace jetcal::kernels::detail
