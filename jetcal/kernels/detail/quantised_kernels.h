// SPDX-License-Identifier: Apache-2.0
// The variants behind quantised_layer.h: raw pointers, rows of whole vectors.
#pragma once

#include <cstdint>

#include "jetcal/kernels/detail/row_layer_kernels.h"

namespace jetcal::kernels::detail {

/// A row whose largest value is below this counts as zero; its scale would overflow.
inline constexpr float kLeastBound = 1e-30F;

/// Asks for rows of levels, `row_bytes` a row: level = round(relu(x) most / bound), steps_r =
/// bound / most; bound is the row's largest value, `most` the table's most_level. Levels behind the
/// vectors, up to row_bytes, become zero.
struct Quantisation {
  const float* x;
  std::int64_t x_stride, rows, vectors;
  std::uint8_t* levels;
  std::int64_t row_bytes;
  float* steps;
};

/// Asks for the same of relu(center_i + neighbor_j) of edges from i = sources[e] to j = targets[e].
/// The bound is the sum of the largest values of both rows, which largest() found.
struct QuantisedEdges {
  const float* center;
  const float* neighbor;
  std::int64_t stride;
  const float* center_largest;
  const float* neighbor_largest;
  const std::int32_t* sources;
  const std::int32_t* targets;
  std::int64_t edges, vectors;
  std::uint8_t* levels;
  std::int64_t row_bytes;
  float* steps;
};

/// Asks for y_r = steps_r weight_steps (x w) + bias, ended as RowEnd says.
///
/// A group is group_vectors lanes-wide vectors whose every lane holds four bytes of neighbouring k.
/// Packed weights are panels of two vectors of columns, the last one of one; a panel holds, for
/// every group of k, the group's vectors of its first and then of its second vector of columns.
struct GroupProduct {
  const std::uint8_t* x;
  const float* steps;
  std::int64_t row_bytes, rows, groups;
  const std::uint8_t* packed;
  const float* weight_steps;
  std::int64_t vectors;
  RowEnd end;
};

struct QuantisedKernels {
  std::int64_t lanes;
  std::int64_t level_bytes;
  std::int64_t group_vectors;
  std::int64_t tile_rows;  ///< Products read rows of levels in such numbers, whole.
  float most_level;        ///< Of activations; 0 where they are not scaled.
  void (*quantise)(const Quantisation& rows);
  /// largest_r = the largest of relu(x_r); NaN where one is NaN.
  void (*largest)(const float* x, std::int64_t stride, std::int64_t rows, std::int64_t vectors,
                  float* largest);
  void (*gather)(const QuantisedEdges& edges);
  void (*product)(const GroupProduct& product);
};

inline constexpr float kMostInt16 = 8191;  ///< The more bits here, the fewer for weights.
/// Four products of an activation and a weight must fit 16 bits: 4 127 64 < 2^15.
inline constexpr float kMostInt8 = 127, kMostInt8Weight = 64;
inline constexpr std::int64_t kInt16Group = 1, kInt8Group = 2, kBfloat16Group = 1, kTileGroup = 16;

extern const QuantisedKernels kInt16Ref, kInt16Avx2, kInt16Avx512;
extern const QuantisedKernels kInt8Ref, kInt8Avx2, kInt8Avx512, kInt8Vnni, kInt8Amx;
extern const QuantisedKernels kBfloat16Ref, kBfloat16Avx512, kBfloat16Amx;

}  // namespace jetcal::kernels::detail
