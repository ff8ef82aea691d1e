// SPDX-License-Identifier: Apache-2.0
#include "jetcal/analysis/cells.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

namespace jetcal::analysis {
namespace {

TEST(PtEdges, AreGeometricFromTwentyToThreeThousand) {
  const auto& edges = pt_edges();
  EXPECT_DOUBLE_EQ(edges.front(), 20);
  EXPECT_DOUBLE_EQ(edges.back(), 3000);
  for (int i = 0; i < kNumPtBins; ++i) {
    EXPECT_NEAR(edges[i + 1] / edges[i], std::pow(150.0, 1.0 / 19), 1e-12);
  }
}

TEST(FindPtBin, TakesTheLowerEdgeInAndTheUpperEdgeOut) {
  EXPECT_EQ(find_pt_bin(19.99), -1);
  EXPECT_EQ(find_pt_bin(20), 0);
  EXPECT_EQ(find_pt_bin(pt_edges()[7]), 7);
  EXPECT_EQ(find_pt_bin(2999.9), 18);
  EXPECT_EQ(find_pt_bin(3000), kNumPtBins);
}

TEST(FindRegion, DividesByTheSizeOfEta) {
  EXPECT_EQ(find_region(0), 0);
  EXPECT_EQ(find_region(-1.29), 0);
  EXPECT_EQ(find_region(1.3), 1);
  EXPECT_EQ(find_region(-2.49), 1);
  EXPECT_EQ(find_region(2.5), -1);
}

TEST(CellRows, PutAJetIntoItsBinItsRangesAndItsFlavorGroups) {
  ResponseSample sample;
  sample.pt_gen = {120, 120, 25, 5000};
  sample.region = {1, 1, 0, 0};
  sample.flavor = {edm::Flavor::S, edm::Flavor::Undefined, edm::Flavor::G, edm::Flavor::B};
  const auto rows = cell_rows(sample);
  const int bin = find_pt_bin(120);
  constexpr int kStrange = kFirstFlavor + 2, kBottom = kFirstFlavor + 4, kGluon = kFirstFlavor + 5;
  using testing::ElementsAre;
  EXPECT_THAT(rows[bin_cell(1, bin, kAllFlavors)], ElementsAre(0U, 1U));
  EXPECT_THAT(rows[bin_cell(1, bin, kStrange)], ElementsAre(0U));
  EXPECT_THAT(rows[bin_cell(1, bin, kLightQuarks)], ElementsAre(0U));
  EXPECT_THAT(rows[range_cell(1, 0, kAllFlavors)], ElementsAre(0U, 1U));  // > 30
  EXPECT_THAT(rows[range_cell(1, 2, kStrange)], ElementsAre(0U));         // 100-300
  EXPECT_THAT(rows[bin_cell(0, 1, kGluon)], ElementsAre());
  EXPECT_THAT(rows[bin_cell(0, 0, kGluon)], ElementsAre(2U));
  EXPECT_THAT(rows[range_cell(0, 4, kBottom)], ElementsAre(3U));  // > 1000, in no bin

  std::size_t entries = 0;
  for (const auto& cell : rows) entries += cell.size();
  // s: bin, two ranges and the same of both regions, three groups each; undefined: the same, one
  // group; g: bin, two groups; b: two ranges and the same of both regions, two groups.
  EXPECT_EQ(entries, 15U + 5U + 2U + 8U);
  EXPECT_THAT(rows[range_cell(kBothRegions, 0, kAllFlavors)], ElementsAre(0U, 1U, 3U));
}

TEST(Cells, AllHaveNumbersOfTheirOwn) {
  EXPECT_EQ(bin_cell(0, 0, 0), 0);
  EXPECT_EQ(range_cell(1, 4, kNumGroups - 1) + 1, pileup_cell(0, 0, 0, 0));
  EXPECT_EQ(pileup_cell(2, 1, 4, kNumPileupBins - 1) + 1, range_cell(kBothRegions, 0, 0));
  EXPECT_EQ(range_cell(kBothRegions, 4, kNumGroups - 1) + 1, kNumCells);
}

}  // namespace
}  // namespace jetcal::analysis
