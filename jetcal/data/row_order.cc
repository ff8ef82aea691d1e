// SPDX-License-Identifier: Apache-2.0
#include "jetcal/data/row_order.h"

#include <algorithm>
#include <numeric>
#include <utility>

#include "jetcal/base/error.h"
#include "jetcal/base/random.h"

namespace jetcal::data {

RowOrder::RowOrder(std::vector<std::int64_t> rows) {
  if (!rows.empty()) window_begins_.push_back(std::ssize(rows));
  rows_ = std::make_shared<const std::vector<std::int64_t>>(std::move(rows));
}

RowOrder RowOrder::stored(std::vector<std::int64_t> block_starts, std::int64_t window_blocks) {
  RowOrder order;
  order.block_starts_ = std::move(block_starts);
  order.take_windows(window_blocks);
  return order;
}

RowOrder RowOrder::shuffled(std::vector<std::int64_t> block_starts, std::int64_t window_blocks,
                            std::uint64_t seed, std::int64_t epoch) {
  RowOrder order;
  order.block_starts_ = std::move(block_starts);
  order.shuffled_ = true;
  order.seed_ = mix64(seed, static_cast<std::uint64_t>(epoch));
  order.take_windows(window_blocks);
  return order;
}

void RowOrder::take_windows(std::int64_t window_blocks) {
  JETCAL_DCHECK(!block_starts_.empty() && block_starts_.front() == 0 && window_blocks > 0);
  blocks_a_window_ = window_blocks;
  blocks_.resize(block_starts_.size() - 1);
  std::iota(blocks_.begin(), blocks_.end(), 0);
  if (shuffled_) {
    Rng rng(seed_);
    shuffle(std::span(blocks_), rng);
  }
  std::int64_t position = 0;
  for (std::size_t i = 0; i < blocks_.size(); ++i) {
    position += block_starts_[blocks_[i] + 1] - block_starts_[blocks_[i]];
    const bool full = (static_cast<std::int64_t>(i) + 1) % blocks_a_window_ == 0;
    if (full || i + 1 == blocks_.size()) window_begins_.push_back(position);
  }
}

std::int64_t RowOrder::window_of(std::int64_t position) const noexcept {
  // The first window that begins after the position follows the one that holds it.
  const auto after = std::upper_bound(window_begins_.begin(), window_begins_.end(), position);
  return after - window_begins_.begin() - 1;
}

std::span<const std::int64_t> RowOrder::window_blocks(std::int64_t window) const {
  if (rows_) return {};
  const auto begin = static_cast<std::size_t>(window * blocks_a_window_);
  const auto count = static_cast<std::size_t>(blocks_a_window_);
  return std::span(blocks_).subspan(begin, std::min(count, blocks_.size() - begin));
}

std::span<const std::int64_t> RowOrder::window_rows(std::int64_t window,
                                                    std::vector<std::int64_t>& scratch) const {
  if (rows_) return *rows_;
  scratch.clear();
  scratch.reserve(static_cast<std::size_t>(window_begins_[window + 1] - window_begins_[window]));
  for (const std::int64_t block : window_blocks(window)) {
    for (std::int64_t row = block_starts_[block]; row < block_starts_[block + 1]; ++row)
      scratch.push_back(row);
  }
  if (shuffled_) {
    Rng rng(mix64(seed_, static_cast<std::uint64_t>(window)));
    shuffle(std::span(scratch), rng);
  }
  return scratch;
}

std::span<const std::int64_t> RowCursor::window(std::int64_t index) {
  if (index != current_) {
    current_rows_ = order_.window_rows(index, scratch_);
    current_ = index;
  }
  return current_rows_;
}

std::span<const std::int64_t> RowCursor::rows(std::int64_t begin, std::int64_t end) {
  if (begin >= end) return {};
  std::int64_t at = order_.window_of(begin);
  if (end <= order_.window_begin(at + 1)) {
    const std::int64_t first = order_.window_begin(at);
    return window(at).subspan(static_cast<std::size_t>(begin - first),
                              static_cast<std::size_t>(end - begin));
  }
  joined_.clear();
  for (; begin < end; ++at) {
    const std::int64_t first = order_.window_begin(at);
    const std::int64_t stop = std::min(end, order_.window_begin(at + 1));
    const auto part = window(at).subspan(static_cast<std::size_t>(begin - first),
                                         static_cast<std::size_t>(stop - begin));
    joined_.insert(joined_.end(), part.begin(), part.end());
    begin = stop;
  }
  return joined_;
}

}  // namespace jetcal::data
