// SPDX-License-Identifier: Apache-2.0
// Pools ragged rows (particles of a jet, edges of a particle) into one row per segment.
#pragma once

#include <cstdint>
#include <span>

namespace jetcal::kernels {

// Shapes: x and grad_x [P, C], offsets [J + 1], y and grad_y [J, C], row-major. Requires: offsets
// ascend from 0 to P (checked in debug builds only). A segment is computed from its own rows alone,
// in their order: the same bits in any batch, with any number of threads. All use parallel_for and
// are thread-safe.

/// Adds up the rows of each segment; an empty one gets zeros.
void segment_sum(std::span<const float> x, std::span<const std::int64_t> offsets,
                 std::int64_t channels, std::span<float> y);

/// Copies each segment's gradient to its rows, overwriting.
void segment_sum_backward(std::span<const float> grad_y, std::span<const std::int64_t> offsets,
                          std::int64_t channels, std::span<float> grad_x);

/// Averages the rows of each segment; an empty one gets zeros. The mean over a particle's edges is
/// this one with the edge offsets.
void segment_mean(std::span<const float> x, std::span<const std::int64_t> offsets,
                  std::int64_t channels, std::span<float> y);

/// Shares each segment's gradient equally among its rows, overwriting.
void segment_mean_backward(std::span<const float> grad_y, std::span<const std::int64_t> offsets,
                           std::int64_t channels, std::span<float> grad_x);

}  // namespace jetcal::kernels
