// SPDX-License-Identifier: Apache-2.0
// Shares the rows of a matrix among blocks and threads, four columns a thread.
#pragma once

#include <algorithm>
#include <cstdint>

#include "jetcal/cuda/detail/launch.h"

namespace jetcal::cuda::detail {

/// Widths on the device are multiples of this: rows stay aligned, products suit tensor cores. What
/// is added holds zeros.
inline constexpr std::int64_t kWidthStep = 8;

constexpr std::int64_t padded(std::int64_t width) {
  return (width + kWidthStep - 1) / kWidthStep * kWidthStep;
}

/// One thread's part: columns [column, column + 4) of every row_step-th row of [row, last_row).
struct RowPart {
  std::int64_t row, last_row, row_step;
  std::int64_t column;
};

/// Covers [rows, channels] with blocks of rows_per_block rows; channels is a multiple of 4.
struct RowTiles {
  std::int64_t rows, channels, rows_per_block;

  JETCAL_DEVICE int lanes() const {
    return channels / 4 < kThreads ? static_cast<int>(channels / 4) : kThreads;
  }
  /// A thread without work gets no rows.
  JETCAL_DEVICE RowPart part(const Place& place) const {
    const int across = lanes();
    const int down = kThreads / across;
    const int row = place.thread / across;
    const std::int64_t first = place.block * rows_per_block;
    const std::int64_t end = first + rows_per_block;
    RowPart part{first + row, end < rows ? end : rows, down, 0};
    part.column =
        4 * (static_cast<std::int64_t>(place.column_block) * kThreads + place.thread % across);
    if (row >= down || part.column >= channels) part.last_row = part.row;
    return part;
  }
  JETCAL_DEVICE int rows_at_once() const { return kThreads / lanes(); }

  Grid grid() const {
    if (rows <= 0 || channels <= 0) return {};
    return {(rows + rows_per_block - 1) / rows_per_block, (channels / 4 + kThreads - 1) / kThreads};
  }
};

/// For kernels that treat every row on its own: about eight rows a thread.
inline RowTiles row_tiles(std::int64_t rows, std::int64_t channels) {
  RowTiles tiles{rows, channels, 1};
  if (channels > 0) tiles.rows_per_block = std::int64_t{8} * tiles.rows_at_once();
  return tiles;
}

/// For kernels that add up columns: at most kMaxChunks blocks, by the number of rows alone, so that
/// sums have the same bits on every device.
inline constexpr std::int64_t kMaxChunks = 1024;
inline RowTiles column_tiles(std::int64_t rows, std::int64_t channels) {
  constexpr std::int64_t kMinRows = 64;
  return {rows, channels, std::max(kMinRows, (rows + kMaxChunks - 1) / kMaxChunks)};
}

/// For kernels with one thread an element, in order.
inline Grid flat_grid(std::int64_t size) { return {(size + kThreads - 1) / kThreads, 1}; }
JETCAL_DEVICE inline std::int64_t flat_index(const Place& place) {
  return place.block * kThreads + place.thread;
}

}  // namespace jetcal::cuda::detail
