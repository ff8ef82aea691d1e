// SPDX-License-Identifier: Apache-2.0
// What the kernels that normalise have in common. For .cu files only.
#pragma once

#include "jetcal/cuda/detail/column_sums.h"
#include "jetcal/cuda/detail/norm.h"

namespace jetcal::cuda::detail {

/// Four columns of a NormArrays.
struct NormColumns {
  Four mean, scale, shift;
};

JETCAL_DEVICE inline NormColumns norm_columns(const NormArrays& norm, std::int64_t column) {
  return {load4(norm.mean + column), load4(norm.scale + column), load4(norm.shift + column)};
}

/// One definition for forward and backward: the sign decides what relu lets through.
JETCAL_DEVICE inline Four normalised(const Four& z, const NormColumns& columns) {
  Four y{};
  for (int c = 0; c < 4; ++c) {
    y.at[c] = fmaf(z.at[c] - columns.mean.at[c], columns.scale.at[c], columns.shift.at[c]);
  }
  return y;
}

JETCAL_DEVICE inline void add_moments(const Four& value, ColumnTotals& totals) {
  for (int c = 0; c < 4; ++c) {
    const double x = value.at[c];
    totals.first[c] += x;
    totals.second[c] += x * x;
  }
}

}  // namespace jetcal::cuda::detail
