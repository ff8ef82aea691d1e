// SPDX-License-Identifier: Apache-2.0
// Sums over the rows of a matrix, column by column, in two stages with a fixed order.
#pragma once

#include <cstdint>

#include "jetcal/cuda/detail/element.h"
#include "jetcal/cuda/detail/rows.h"

namespace jetcal::cuda::detail {

/// What the threads of a block added up of their rows: two sums of four columns each.
struct ColumnShared {
  double sums[8][kThreads];
};

struct ColumnTotals {
  double first[4], second[4];
};

/// Writes the block's sums to parts [chunks, 2, channels] in two steps: every thread adds up its
/// rows; then threads of the first row, each for its columns, add those up in ascending order.
struct ColumnReduction {
  static constexpr std::int64_t kSteps = 2;
  RowTiles tiles;
  double* parts;

  /// add_rows(part, totals) adds the rows of a part, four columns of them.
  template <typename AddRows>
  JETCAL_DEVICE void reduce(std::int64_t step, const Place& place, ColumnShared& shared,
                            const AddRows& add_rows) const {
    if (step == 1) {
      add_up(place, shared);
      return;
    }
    ColumnTotals totals{};
    add_rows(tiles.part(place), totals);
    keep(totals, place, shared);
  }

 private:
  JETCAL_DEVICE static void keep(const ColumnTotals& totals, const Place& place,
                                 ColumnShared& shared) {
    for (int c = 0; c < 4; ++c) {
      shared.sums[c][place.thread] = totals.first[c];
      shared.sums[4 + c][place.thread] = totals.second[c];
    }
  }

  JETCAL_DEVICE void add_up(const Place& place, const ColumnShared& shared) const {
    const int across = tiles.lanes();
    if (place.thread >= across) return;
    const std::int64_t column =
        4 * (static_cast<std::int64_t>(place.column_block) * kThreads + place.thread);
    if (column >= tiles.channels) return;
    const int down = tiles.rows_at_once();
    for (int kind = 0; kind < 2; ++kind) {
      double* to = parts + (2 * place.block + kind) * tiles.channels + column;
      for (int c = 0; c < 4; ++c) {
        double total = 0;
        for (int row = 0; row < down; ++row) {
          total += shared.sums[4 * kind + c][row * across + place.thread];
        }
        to[c] = total;
      }
    }
  }
};

/// Doubles that the parts of `channels` columns take.
inline std::int64_t column_parts_size(std::int64_t channels) { return kMaxChunks * 2 * channels; }

/// Adds up parts: 32 columns a block, eight threads a column, then those eight in order.
struct PartsShared {
  double sums[2][kThreads];
};

struct PartsTotal {
  static constexpr int kColumns = 32;
  const double* parts;
  std::int64_t chunks, channels;

  JETCAL_DEVICE std::int64_t column(const Place& place) const {
    return place.block * kColumns + place.thread % kColumns;
  }
  JETCAL_DEVICE void gather(const Place& place, PartsShared& shared) const {
    const std::int64_t c = column(place);
    double first = 0;
    double second = 0;
    if (c < channels) {
      for (std::int64_t chunk = place.thread / kColumns; chunk < chunks;
           chunk += kThreads / kColumns) {
        first += parts[2 * chunk * channels + c];
        second += parts[(2 * chunk + 1) * channels + c];
      }
    }
    shared.sums[0][place.thread] = first;
    shared.sums[1][place.thread] = second;
  }
  /// For the first thread of each column, in the step after gather().
  JETCAL_DEVICE static double total(int kind, const Place& place, const PartsShared& shared) {
    double sum = 0;
    for (int row = 0; row < kThreads / kColumns; ++row) {
      sum += shared.sums[kind][row * kColumns + place.thread];
    }
    return sum;
  }
  JETCAL_DEVICE bool writes(const Place& place) const {
    return place.thread < kColumns && column(place) < channels;
  }
  Grid grid() const { return {(channels + kColumns - 1) / kColumns, 1}; }
};

}  // namespace jetcal::cuda::detail
