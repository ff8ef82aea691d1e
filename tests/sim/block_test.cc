// SPDX-License-Identifier: Apache-2.0
#include "jetcal/sim/block.h"

#include <gtest/gtest.h>

#include "jetcal/base/files.h"
#include "jetcal/base/random.h"
#include "jetcal/base/temporary_folder.h"

namespace jetcal::sim {
namespace {

class BlockFile : public testing::Test {
 protected:
  TemporaryFolder folder_;
};

Block toy_block() {
  Block block;
  block.num_events = 7;
  block.failed_events = {3, 3};
  block.num_outside = 2;
  block.calibration_jets.resize(3);
  block.calibration_jets[2].jetRawPtNoPU = 5;
  block.calibration_events.resize(1);
  block.calibration_events[0].nh25 = 9;
  JetRow row;
  row.values.jetPt = 42;
  row.values.event = 1ULL << 40;
  row.PF_pT = {1, 2, 3};
  row.PF_id = {211, -211, 22};
  row.genJetPF_id = {130};
  block.rows = {row, row};
  return block;
}

TEST_F(BlockFile, ReturnsWhatWasWritten) {
  const auto path = folder_ / "a";
  write_block(path, 5, toy_block());
  const auto block = read_block(path, 5);
  ASSERT_TRUE(block.has_value());
  EXPECT_EQ(block->num_events, 7);
  ASSERT_EQ(block->rows.size(), 2U);
  EXPECT_EQ(block->rows[1].values.jetPt, 42);
  EXPECT_EQ(block->rows[1].values.event, 1ULL << 40);
  EXPECT_EQ(block->rows[1].PF_id, (std::vector<std::int32_t>{211, -211, 22}));
  EXPECT_EQ(block->failed_events, (std::vector<std::uint64_t>{3, 3}));
  EXPECT_EQ(block->num_outside, 2);
  ASSERT_EQ(block->calibration_jets.size(), 3U);
  EXPECT_EQ(block->calibration_jets[2].jetRawPtNoPU, 5);
  EXPECT_EQ(block->calibration_events.at(0).nh25, 9);
}

TEST_F(BlockFile, IsRefusedWithAnotherFingerprint) {
  const auto path = folder_ / "b";
  write_block(path, 5, toy_block());
  EXPECT_FALSE(read_block(path, 6).has_value());
  std::filesystem::remove(path);
  EXPECT_FALSE(read_block(path, 5).has_value());
}

TEST_F(BlockFile, IsRefusedWhenTruncatedOrHostile) {
  const auto path = folder_ / "c";
  write_block(path, 5, toy_block());
  const std::string whole = read_file(path);
  for (std::size_t size = 0; size < whole.size(); size += 13) {
    write_file(path, std::string_view(whole).substr(0, size));
    EXPECT_FALSE(read_block(path, 5).has_value()) << size;
  }
  Rng rng(1);
  for (int round = 0; round < 200; ++round) {
    std::string bytes = whole;
    for (int i = 0; i < 4; ++i)
      bytes[16 + rng.below(bytes.size() - 16)] = static_cast<char>(rng.below(256));
    write_file(path, bytes);
    EXPECT_NO_THROW(read_block(path, 5));
  }
}

}  // namespace
}  // namespace jetcal::sim
