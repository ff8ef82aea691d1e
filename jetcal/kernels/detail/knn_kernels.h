// SPDX-License-Identifier: Apache-2.0
// The variants behind knn.h: one jet, its coordinates as columns.
#pragma once

#include <cstdint>

namespace jetcal::kernels::detail {

/// Asks for the neighbours of all n particles of a jet.
///
/// Coordinate d of particle i is columns[d padded + i]; `padded` is n rounded up to `lanes`, the
/// filling is finite. A distance's key is its bits as an integer (ascending, as it is not
/// negative); kNoKey, above the key of infinity, marks the particle itself and empty slots.
struct KnnJet {
  const float* columns;
  std::int64_t n, padded, dimensions, k;
  std::int32_t first_row;   ///< Added to every neighbour's index.
  std::int32_t* distances;  ///< Work space: kKnnRows rows of `padded` keys.
  std::int32_t* best;       ///< Work space: k keys.
  std::int32_t* neighbors;  ///< [n, k]
};

inline constexpr std::int32_t kNoKey = 0x7FFFFFFF;
inline constexpr std::int64_t kKnnRows = 4;

struct KnnKernels {
  std::int64_t lanes;
  void (*jet)(const KnnJet& jet);
};

extern const KnnKernels kKnnRef, kKnnAvx2, kKnnAvx512;

}  // namespace jetcal::kernels::detail
