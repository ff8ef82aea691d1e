// SPDX-License-Identifier: Apache-2.0
#include "jetcal/kernels/detail/column_simd.h"

namespace jetcal::kernels::detail {

const ColumnKernels kColumnAvx2{column_sums, column_moments, column_normalise, column_backward_sums,
                                column_backward_apply};

}  // namespace jetcal::kernels::detail
