// SPDX-License-Identifier: Apache-2.0
#include "jetcal/hpo/sobol.h"

#include <gtest/gtest.h>

#include <array>
#include <set>

#include "jetcal/base/error.h"

namespace jetcal::hpo {
namespace {

// The first eight points in four dimensions as published with the direction numbers.
TEST(Sobol, EqualsThePublishedSequence) {
  constexpr std::array<std::array<double, 4>, 8> kPoints{{{0, 0, 0, 0},
                                                          {0.5, 0.5, 0.5, 0.5},
                                                          {0.75, 0.25, 0.25, 0.25},
                                                          {0.25, 0.75, 0.75, 0.75},
                                                          {0.375, 0.375, 0.625, 0.875},
                                                          {0.875, 0.875, 0.125, 0.375},
                                                          {0.625, 0.125, 0.875, 0.625},
                                                          {0.125, 0.625, 0.375, 0.125}}};
  const Sobol sobol(4);
  for (std::uint32_t i = 0; i < kPoints.size(); ++i)
    for (std::size_t axis = 0; axis < 4; ++axis) EXPECT_EQ(sobol.point(i)[axis], kPoints[i][axis]);
}

TEST(Sobol, FillsEveryIntervalOfEveryDimensionOnceScrambledOrNot) {
  const Sobol sobol(Sobol::kMaxDimensions);
  std::vector<std::set<int>> plain(Sobol::kMaxDimensions), scrambled(Sobol::kMaxDimensions);
  for (std::uint32_t i = 0; i < 256; ++i) {
    const std::vector<double> a = sobol.point(i);
    const std::vector<double> b = sobol.scrambled(i, 7);
    for (std::size_t axis = 0; axis < a.size(); ++axis) {
      plain[axis].insert(static_cast<int>(a[axis] * 256));
      scrambled[axis].insert(static_cast<int>(b[axis] * 256));
    }
  }
  for (std::size_t axis = 0; axis < plain.size(); ++axis) {
    EXPECT_EQ(plain[axis].size(), 256U) << axis;
    EXPECT_EQ(scrambled[axis].size(), 256U) << axis;
  }
}

// Of 16 points one lies in each of the 16 squares that are 1/4 wide and high: a (0, 4, 2) net.
TEST(Sobol, StaysANetInTwoDimensionsWhenScrambled) {
  const Sobol sobol(2);
  for (const std::uint64_t seed : {1, 2, 3}) {
    std::set<int> squares;
    for (std::uint32_t i = 0; i < 16; ++i) {
      const std::vector<double> point = sobol.scrambled(i, seed);
      squares.insert(static_cast<int>(point[0] * 4) * 4 + static_cast<int>(point[1] * 4));
    }
    EXPECT_EQ(squares.size(), 16U);
  }
}

TEST(Sobol, SeedsGiveOtherPoints) {
  const Sobol sobol(3);
  EXPECT_NE(sobol.scrambled(5, 1), sobol.scrambled(5, 2));
  EXPECT_EQ(sobol.scrambled(5, 1), sobol.scrambled(5, 1));
}

TEST(Sobol, RefusesMoreDimensionsThanItKnows) {
  EXPECT_THROW(Sobol(Sobol::kMaxDimensions + 1), Error);
}

}  // namespace
}  // namespace jetcal::hpo
