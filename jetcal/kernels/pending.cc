// SPDX-License-Identifier: Apache-2.0
// Stands in for the vector variants until they are written: the reference under their names.
#include "jetcal/kernels/detail/column_kernels.h"
#include "jetcal/kernels/detail/edge_kernels.h"
#include "jetcal/kernels/detail/elementwise_kernels.h"
#include "jetcal/kernels/detail/gemm_kernels.h"
#include "jetcal/kernels/detail/knn_kernels.h"
#include "jetcal/kernels/detail/segment_kernels.h"

namespace jetcal::kernels::detail {

const SegmentKernels kSegmentAvx2 = kSegmentRef, kSegmentAvx512 = kSegmentRef;
const EdgeKernels kEdgeAvx2 = kEdgeRef, kEdgeAvx512 = kEdgeRef;
const ColumnKernels kColumnAvx2 = kColumnRef, kColumnAvx512 = kColumnRef;
const GemmKernels kGemmAvx2 = kGemmRef, kGemmAvx512 = kGemmRef;
const KnnKernels kKnnAvx2 = kKnnRef, kKnnAvx512 = kKnnRef;
const ElementwiseKernels kElementwiseAvx2 = kElementwiseRef, kElementwiseAvx512 = kElementwiseRef;

}  // namespace jetcal::kernels::detail
