// SPDX-License-Identifier: Apache-2.0
#include "jetcal/kernels/detail/knn_simd.h"

namespace jetcal::kernels::detail {

const KnnKernels kKnnAvx512{kLanes, nearest_in_jet};

}  // namespace jetcal::kernels::detail
