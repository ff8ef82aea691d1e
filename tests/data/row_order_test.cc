// SPDX-License-Identifier: Apache-2.0
#include "jetcal/data/row_order.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <numeric>
#include <set>

namespace jetcal::data {
namespace {

using ::testing::ElementsAre;

std::vector<std::int64_t> all_rows(const RowOrder& order) {
  RowCursor cursor(order);
  const auto rows = cursor.rows(0, order.num_rows());
  return {rows.begin(), rows.end()};
}

std::vector<std::int64_t> ascending(std::int64_t n) {
  std::vector<std::int64_t> rows(static_cast<std::size_t>(n));
  std::iota(rows.begin(), rows.end(), 0);
  return rows;
}

// Blocks of 7, 0, 5, 1, 16, 16, 3 rows, as several files of several blocks have them.
const std::vector<std::int64_t> kStarts{0, 7, 7, 12, 13, 29, 45, 48};

TEST(RowOrder, ShuffledHasEveryRowOnceForEverySeedEpochAndWindow) {
  std::set<std::vector<std::int64_t>> orders;
  for (const std::int64_t window : {1, 2, 3, 7, 100}) {
    for (const std::uint64_t seed : {1U, 2U}) {
      for (const std::int64_t epoch : {0, 1}) {
        std::vector<std::int64_t> rows = all_rows(RowOrder::shuffled(kStarts, window, seed, epoch));
        EXPECT_TRUE(orders.insert(rows).second || window == 100) << "the same order twice";
        std::sort(rows.begin(), rows.end());
        EXPECT_EQ(rows, ascending(48));
      }
    }
  }
}

TEST(RowOrder, IsTheSameAgain) {
  EXPECT_EQ(all_rows(RowOrder::shuffled(kStarts, 2, 3, 4)),
            all_rows(RowOrder::shuffled(kStarts, 2, 3, 4)));
}

TEST(RowOrder, WindowsHoldTheRowsOfTheirBlocks) {
  const RowOrder order = RowOrder::shuffled(kStarts, 3, 1, 0);
  ASSERT_EQ(order.num_windows(), 3);
  std::set<std::int64_t> blocks;
  std::vector<std::int64_t> scratch;
  for (std::int64_t w = 0; w < order.num_windows(); ++w) {
    std::set<std::int64_t> rows;
    for (const std::int64_t block : order.window_blocks(w)) {
      EXPECT_TRUE(blocks.insert(block).second);
      for (std::int64_t row = kStarts[block]; row < kStarts[block + 1]; ++row) rows.insert(row);
    }
    const auto got = order.window_rows(w, scratch);
    EXPECT_EQ(std::set<std::int64_t>(got.begin(), got.end()), rows);
    EXPECT_EQ(std::ssize(got), order.window_begin(w + 1) - order.window_begin(w));
  }
  EXPECT_EQ(blocks.size(), 7U);
}

TEST(RowOrder, StoredKeepsTheRows) {
  EXPECT_EQ(all_rows(RowOrder::stored(kStarts, 2)), ascending(48));
  EXPECT_EQ(RowOrder::stored(kStarts, 2).num_windows(), 4);
  EXPECT_EQ(RowOrder::stored({0}, 2).num_rows(), 0);
  EXPECT_EQ(RowOrder::stored({0}, 2).num_windows(), 0);
}

TEST(RowOrder, GivenRowsAreOneWindow) {
  const RowOrder order(std::vector<std::int64_t>{2, 0, 1});
  EXPECT_EQ(order.num_windows(), 1);
  EXPECT_THAT(all_rows(order), ElementsAre(2, 0, 1));
  EXPECT_TRUE(order.window_blocks(0).empty());
  EXPECT_EQ(RowOrder(std::vector<std::int64_t>{}).num_rows(), 0);
}

TEST(RowOrder, FindsTheWindowOfEveryPosition) {
  const RowOrder order = RowOrder::shuffled(kStarts, 1, 5, 0);
  for (std::int64_t position = 0; position < order.num_rows(); ++position) {
    const std::int64_t window = order.window_of(position);
    EXPECT_LE(order.window_begin(window), position);
    EXPECT_LT(position, order.window_begin(window + 1));
  }
}

TEST(RowCursor, GivesAnyRangeWhereverItStarts) {
  const RowOrder order = RowOrder::shuffled(kStarts, 2, 1, 2);
  const std::vector<std::int64_t> want = all_rows(order);
  for (std::int64_t begin = 0; begin <= 48; ++begin) {
    for (std::int64_t end = begin; end <= 48; ++end) {
      RowCursor cursor(order);
      const auto got = cursor.rows(begin, end);
      EXPECT_TRUE(std::equal(got.begin(), got.end(), want.begin() + begin, want.begin() + end));
    }
  }
}

TEST(RowOrder, ARowWandersOverTheWholeWindowButNotBeyond) {
  // 64 blocks of 100 rows in windows of 8: neighbours of a batch come from several blocks.
  std::vector<std::int64_t> starts(65);
  for (std::size_t i = 0; i < starts.size(); ++i) starts[i] = 100 * static_cast<std::int64_t>(i);
  const std::vector<std::int64_t> rows = all_rows(RowOrder::shuffled(starts, 8, 1, 0));
  std::set<std::int64_t> blocks_of_first_batch;
  for (std::int64_t i = 0; i < 50; ++i) blocks_of_first_batch.insert(rows[i] / 100);
  EXPECT_EQ(blocks_of_first_batch.size(), 8U);
}

}  // namespace
}  // namespace jetcal::data
