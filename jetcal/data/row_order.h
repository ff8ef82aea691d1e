// SPDX-License-Identifier: Apache-2.0
// In which order an epoch visits the rows of a sample: windows of blocks, so that a stream has to
// hold two windows only.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

namespace jetcal::data {

/// Gives the rows of one epoch by position; every row of the blocks has exactly one position.
///
/// Blocks of consecutive rows are put in an order, taken together in windows, and the rows of a
/// window follow as they are stored or shuffled. The order depends on the sizes of the blocks, on
/// how many make a window, seed and epoch: not on workers, batches, files or where an epoch is
/// resumed. Copies are cheap; reading is thread-safe.
class RowOrder {
 public:
  /// One window with these rows in this order; it names no blocks.
  RowOrder(std::vector<std::int64_t> rows);  // NOLINT: implicit on purpose, rows are an order

  /// Every row as it is stored. Requires, here and below: `block_starts` ascend from 0 to the
  /// number of rows, one more than blocks; window_blocks > 0.
  static RowOrder stored(std::vector<std::int64_t> block_starts, std::int64_t window_blocks);
  /// Blocks in a random order, rows in a random order within their window.
  static RowOrder shuffled(std::vector<std::int64_t> block_starts, std::int64_t window_blocks,
                           std::uint64_t seed, std::int64_t epoch);

  std::int64_t num_rows() const noexcept { return window_begins_.back(); }
  std::int64_t num_windows() const noexcept { return std::ssize(window_begins_) - 1; }
  /// Returns the position of the first row of a window; that of num_windows() is num_rows().
  std::int64_t window_begin(std::int64_t window) const { return window_begins_[window]; }
  /// Returns the window of a position. Requires: 0 <= position < num_rows().
  std::int64_t window_of(std::int64_t position) const noexcept;
  /// Returns the blocks of a window, in the order in which they should be read.
  std::span<const std::int64_t> window_blocks(std::int64_t window) const;
  /// Returns the rows of a window by position; `scratch` is where they are kept if they have to be
  /// made.
  std::span<const std::int64_t> window_rows(std::int64_t window,
                                            std::vector<std::int64_t>& scratch) const;

 private:
  RowOrder() = default;
  void take_windows(std::int64_t window_blocks);

  // Shared by copies and never changed: 8 bytes a row where the rows were given.
  std::shared_ptr<const std::vector<std::int64_t>> rows_;
  std::vector<std::int64_t> block_starts_;
  std::vector<std::int64_t> blocks_;  // in the order of the epoch
  std::int64_t blocks_a_window_ = 1;
  std::vector<std::int64_t> window_begins_{0};
  bool shuffled_ = false;
  std::uint64_t seed_ = 0;  // of this epoch
};

/// Walks through an order in ascending positions and keeps the rows of the window where it is.
class RowCursor {
 public:
  explicit RowCursor(RowOrder order) : order_(std::move(order)) {}

  const RowOrder& order() const noexcept { return order_; }
  /// Returns the rows at the positions [begin, end), valid until the next call. Any range may be
  /// asked for; ascending ones are the cheap ones.
  std::span<const std::int64_t> rows(std::int64_t begin, std::int64_t end);

 private:
  std::span<const std::int64_t> window(std::int64_t index);

  RowOrder order_;
  std::int64_t current_ = -1;
  std::span<const std::int64_t> current_rows_;
  std::vector<std::int64_t> scratch_, joined_;
};

}  // namespace jetcal::data
