// SPDX-License-Identifier: Apache-2.0
// The variants behind row_layer.h and edge_infer.h: raw pointers, rows of whole vectors.
#pragma once

#include <cstdint>

namespace jetcal::kernels::detail {

/// Returns how many vectors wide the next panel of packed weights is where `left` are left: three
/// fill the registers best, and two twos beat a three and a one.
static constexpr std::int64_t panel_vectors(std::int64_t left) noexcept {
  if (left == 4) return 2;
  return left < 3 ? left : 3;
}

/// Tells what becomes of a product's rows: bias, relu if asked, then they are written to y. With
/// segments, row r is not written but added, after relu, to row segments[r] of y, in ascending
/// order of r.
struct RowEnd {
  const float* bias;
  float* y;
  std::int64_t y_stride;
  bool relu;
  const std::int32_t* segments;
};

/// Asks for y = x w + bias; x [rows, in], y [rows, vectors of lanes].
///
/// Packed weights are panels of panel_vectors() vectors: the panel of the vectors v.. starts at
/// v lanes in floats and holds its columns for every k.
struct RowProduct {
  const float* x;
  std::int64_t x_stride, rows, in;
  const float* packed;
  std::int64_t vectors;
  RowEnd end;
};

/// Asks for relu(center_i + neighbor_j) of edges e from i = sources[e] to j = targets[e], all rows
/// `vectors` vectors long.
struct EdgeRows {
  const float* center;
  const float* neighbor;
  std::int64_t stride;  ///< Of center and neighbor.
  const std::int32_t* sources;
  const std::int32_t* targets;
  std::int64_t edges, vectors;
  float*
      z;  ///< Rows of z_stride, one an edge; or, in sum(), one a source, to which edges are added.
  std::int64_t z_stride;
};

/// Asks for y_i = relu(y_i / counts_i + shortcut_i); a count of zero divides by one.
struct BlockEnd {
  const std::int64_t* counts;
  const float* shortcut;
  std::int64_t shortcut_stride, rows, vectors;
  float* y;
  std::int64_t y_stride;
};

struct RowLayerKernels {
  std::int64_t lanes;
  void (*product)(const RowProduct& product);
  void (*gather)(const EdgeRows& edges);
  void (*sum)(const EdgeRows& edges);
  void (*finish)(const BlockEnd& end);
};

extern const RowLayerKernels kRowLayerRef, kRowLayerAvx2, kRowLayerAvx512;

}  // namespace jetcal::kernels::detail
