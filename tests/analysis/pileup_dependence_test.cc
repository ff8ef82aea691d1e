// SPDX-License-Identifier: Apache-2.0
#include "jetcal/analysis/pileup_dependence.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "jetcal/analysis/response_analysis.h"

namespace jetcal::analysis {
namespace {

constexpr double kSlope = 0.002;  // response per vertex
constexpr float kNan = std::numeric_limits<float>::quiet_NaN();

// 30 barrel jets of 200 GeV at each of 8, 13 and 22 vertices, symmetric about 1 + kSlope (n - 10).
JetSample sloping_sample() {
  JetSample sample;
  sample.correctors = {{"Standard", {}}};
  for (const int vertices : {8, 13, 22}) {
    for (int i = 0; i < 30; ++i) {
      const double response = 1 + kSlope * (vertices - 10) + 0.001 * (i - 14.5);
      sample.pt_gen.push_back(200);
      sample.eta_gen.push_back(0.1F);
      sample.flavor.push_back(edm::Flavor::G);
      sample.pileup[0].push_back(static_cast<float>(vertices));
      sample.pt_reco.push_back(static_cast<float>(200 * response));
      sample.correctors[0].pt_corr.push_back(sample.pt_reco.back());
    }
  }
  return sample;
}

AnalysisOptions with_resamplings(int resamplings) {
  AnalysisOptions options;
  options.resamplings = resamplings;
  return options;
}

TEST(WeightedSlope, IsThatOfTheLineWithLeastSquares) {
  EXPECT_DOUBLE_EQ(weighted_slope({0, 1}, {1, 3}, {1, 1}), 2);
  // Weights 1, 2, 1 at 0, 1, 3: mean x 1.25, mean y 1.25; sums xy 6.75, xx 4.75.
  EXPECT_NEAR(weighted_slope({0, 1, 3}, {0, 0.5, 4}, {1, 2, 1}), 6.75 / 4.75, 1e-12);
  EXPECT_TRUE(std::isnan(weighted_slope({1}, {1}, {1})));
  EXPECT_TRUE(std::isnan(weighted_slope({2, 2}, {1, 3}, {1, 1})));
  EXPECT_TRUE(std::isnan(weighted_slope({}, {}, {})));
}

TEST(PileupDependence, FindsTheSlopeAtTheMeansOfItsBins) {
  const Analysis result = analyze(sloping_sample(), with_resamplings(50));
  const std::vector<PileupDependence>& all = result.correctors[0].regions[0].pileup;
  ASSERT_EQ(all.size(), kPtRanges.size()) << "one variable, every range";
  const PileupDependence& middle = all[2];
  EXPECT_EQ(kPtRanges[middle.range].name, "100-300");
  ASSERT_EQ(middle.bins.size(), 3U);
  EXPECT_EQ(middle.fitted_bins, 3);
  EXPECT_EQ(middle.bins[1].low, 12);
  EXPECT_EQ(middle.bins[1].high, 16);
  EXPECT_DOUBLE_EQ(middle.bins[1].mean, 13);
  EXPECT_NEAR(middle.bins[1].median.value, 1.006, 1e-6);
  EXPECT_NEAR(middle.slope.value, kSlope, 1e-7);
  EXPECT_GT(middle.slope.error, 0);
  EXPECT_LT(middle.slope.error, kSlope);
  EXPECT_TRUE(std::isnan(all[4].slope.value)) << "no jets above 1000 GeV";
}

TEST(PileupDependence, LeavesBinsOfFewJetsOutOfTheFitAndFlagsThem) {
  JetSample sample = sloping_sample();
  sample.pileup[0][0] = 75;  // one jet alone
  sample.pileup[0][1] = kNan;
  sample.pileup[0][2] = 80;  // beyond the last bin
  AnalysisOptions options = with_resamplings(0);
  options.min_jets = 20;
  const Analysis result = analyze(sample, options);
  EXPECT_EQ(result.counts.outside_pileup_bins[0], 2);
  EXPECT_EQ(result.counts.used, 90);
  const PileupDependence& middle = result.correctors[0].regions[0].pileup[2];
  ASSERT_EQ(middle.bins.size(), 4U);
  EXPECT_EQ(middle.fitted_bins, 3);
  EXPECT_TRUE(middle.bins.back().too_few_jets);
  EXPECT_NEAR(middle.slope.value, kSlope, 0.1 * kSlope);
}

TEST(PileupDependence, IsAbsentWhereTheSampleHasNoPileup) {
  JetSample sample = sloping_sample();
  sample.pileup[0].clear();
  const Analysis result = analyze(sample, with_resamplings(2));
  EXPECT_TRUE(result.correctors[0].regions[0].pileup.empty());
}

}  // namespace
}  // namespace jetcal::analysis
