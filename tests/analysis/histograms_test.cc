// SPDX-License-Identifier: Apache-2.0
#include "jetcal/analysis/histograms.h"

#include <gtest/gtest.h>

#include <cmath>

namespace jetcal::analysis {
namespace {

TEST(Histogram, TakesLowerEdgesInAndCountsWhatIsOutside) {
  Histogram histogram = make_histogram(0, 4, 4);
  for (const double value : {-0.1, 0.0, 0.99, 1.0, 3.99, 4.0, 9.0}) histogram.fill(value);
  EXPECT_EQ(histogram.counts, (std::vector<std::int64_t>{2, 1, 0, 1}));
  EXPECT_EQ(histogram.underflow, 1);
  EXPECT_EQ(histogram.overflow, 2);
  EXPECT_EQ(histogram.entries(), 7);
}

TEST(Histogram, HasBinsOfEqualRatioWhenGeometric) {
  const Histogram histogram = make_histogram(20, 3000, 38, true);
  EXPECT_EQ(histogram.edges.size(), 39U);
  EXPECT_DOUBLE_EQ(histogram.edges.back(), 3000);
  EXPECT_NEAR(histogram.edges[1] / histogram.edges[0], std::pow(150.0, 1.0 / 38), 1e-12);
}

TEST(Spectrum, CountsEveryJetOnce) {
  ResponseSample sample;
  sample.pt_gen = {20, 100, 100, 5000, 10};
  sample.abs_eta_gen = {0, 0.15F, 2.4999F, 1, 1};
  sample.region = {0, 0, 1, 0, 0};
  const Spectrum result = spectrum(sample);
  ASSERT_EQ(result.counts.size(), 25U);
  EXPECT_EQ(result.counts[0][0], 1);
  EXPECT_EQ(result.counts[1][12], 1);  // 20 150^(12/38) = 97.3
  EXPECT_EQ(result.counts[24][12], 1);
  EXPECT_EQ(result.outside, 2);
}

TEST(TargetDistribution, IsFilledByRegion) {
  ResponseSample sample;
  sample.pt_gen = {100, 100, 100};
  sample.target = {0.01, -1.5, 0.99};
  sample.region = {0, 0, 1};
  const Histogram barrel = target_distribution(sample, 0), endcap = target_distribution(sample, 1);
  EXPECT_EQ(barrel.entries(), 2);
  EXPECT_EQ(barrel.underflow, 1);
  EXPECT_EQ(barrel.counts[40], 1);
  EXPECT_EQ(endcap.counts[79], 1);
}

}  // namespace
}  // namespace jetcal::analysis
