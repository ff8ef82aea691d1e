// SPDX-License-Identifier: Apache-2.0
// Finds the nearest neighbours of every particle within its jet.
#pragma once

#include <cstdint>
#include <span>

namespace jetcal::kernels {

/// Writes, nearest first, the row numbers in x of the k nearest other particles of the same jet.
///
/// Shapes: x [P, row_stride] of which the first `dimensions` columns count (start the span at the
/// first one: to use columns 2 and 3 of [P, 6], pass x.subspan(2), 2, 6; the last row may then be
/// shorter), offsets [J + 1], neighbors [P, k]. A jet of n particles has min(k, n - 1) neighbours a
/// particle; the slots left over hold -1. Equal distances go by the lower row number.
///
/// The squared distance is a float sum over dimensions in ascending order, sum = fma(d, d, sum)
/// with d = x_i - x_j rounded to float, in every variant: all of them return the same neighbours,
/// bit for bit. Distances that overflow count as infinite, and so do those of particles that are
/// not finite.
///
/// Requires: offsets ascend from 0 to P, P < 2^31, k >= 1 (checked in debug builds only). Uses
/// parallel_for; thread-safe; allocates work space.
void knn(std::span<const float> x, std::int64_t dimensions, std::int64_t row_stride,
         std::span<const std::int64_t> offsets, std::int64_t k, std::span<std::int32_t> neighbors);

}  // namespace jetcal::kernels
