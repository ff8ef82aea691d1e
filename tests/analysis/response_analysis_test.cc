// SPDX-License-Identifier: Apache-2.0
#include "jetcal/analysis/response_analysis.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "jetcal/analysis/flavor_dependence.h"
#include "jetcal/base/error.h"

namespace jetcal::analysis {
namespace {

constexpr double kPtGen = 200;
constexpr double kBinWidth = 0.08;  // of the baseline's responses, lower to upper quartile

// Five barrel jets of each flavor with responses center + {-2, -1, 0, 1, 2} * width / 2, so that
// the median is the center and the quartiles lie width apart. The model halves both width and the
// distance of the centers from 1.
JetSample sample_of(const std::array<double, 6>& centers) {
  JetSample sample;
  sample.correctors = {{"Standard", {}}, {"Model", {}}};
  for (std::size_t f = 0; f < centers.size(); ++f) {
    for (int i = -2; i <= 2; ++i) {
      const double response = centers[f] + i * kBinWidth / 2;
      sample.pt_gen.push_back(kPtGen);
      sample.eta_gen.push_back(0.3F);
      sample.flavor.push_back(edm::kFlavors[f]);
      sample.pt_reco.push_back(static_cast<float>(kPtGen * response));
      sample.correctors[0].pt_corr.push_back(sample.pt_reco.back());
      sample.correctors[1].pt_corr.push_back(
          static_cast<float>(kPtGen * (1 + 0.5 * (response - 1))));
    }
  }
  return sample;
}

AnalysisOptions without_errors(int min_jets = 30) {
  AnalysisOptions options;
  options.resamplings = 0;
  options.min_jets = min_jets;
  return options;
}

constexpr std::array<double, 6> kCenters{1.03, 1.02, 1.01, 0.99, 0.98, 0.97};
constexpr int kWideRange = 0, kMiddleRange = 2;  // > 30 and 100-300 GeV

TEST(SumOfAbsoluteErrors, IsTakenFromTheMeanOfTheSix) {
  EXPECT_NEAR(sum_of_absolute_errors({1.03, 1.02, 1.01, 0.99, 0.98, 0.97}), 0.12, 1e-12);
  EXPECT_NEAR(sum_of_absolute_errors({2, 2, 2, 2, 2, 2}), 0, 1e-12);
  EXPECT_NEAR(sum_of_absolute_errors({1, 0, 0, 0, 0, 0}), 5.0 / 6 + 5.0 / 6, 1e-12);
  EXPECT_TRUE(std::isnan(
      sum_of_absolute_errors({1, 1, 1, 1, 1, std::numeric_limits<double>::quiet_NaN()})));
}

TEST(Analyze, FindsTheMediansByFlavorAndAlpha) {
  const Analysis result = analyze(sample_of(kCenters), without_errors(5));
  ASSERT_EQ(result.correctors.size(), 2U);
  for (const int range : {kWideRange, kMiddleRange}) {
    const RangeNumbers& baseline = result.correctors[0].regions[0].ranges[range];
    const RangeNumbers& model = result.correctors[1].regions[0].ranges[range];
    for (std::size_t f = 0; f < 6; ++f) {
      EXPECT_NEAR(baseline.flavor_medians[f].value, kCenters[f], 1e-6);
      EXPECT_EQ(baseline.flavor_jets[f], 5);
    }
    EXPECT_NEAR(baseline.sae.value, 0.12, 1e-6);
    EXPECT_NEAR(model.sae.value, 0.06, 1e-6);
    EXPECT_NEAR(model.alpha.value, 0.5, 1e-5);
    EXPECT_NEAR(baseline.alpha.value, 0, 1e-12);
    EXPECT_FALSE(model.too_few_flavored);
  }
}

TEST(Analyze, FindsTheResolutionAndBeta) {
  // One center for all: the responses are those of five jets, six times each.
  const Analysis result = analyze(sample_of({1.1, 1.1, 1.1, 1.1, 1.1, 1.1}), without_errors(30));
  const int bin = find_pt_bin(kPtGen);
  const BinNumbers& baseline = result.correctors[0].regions[0].bins[bin];
  const BinNumbers& model = result.correctors[1].regions[0].bins[bin];
  EXPECT_EQ(baseline.jets, 30);
  EXPECT_FALSE(baseline.too_few_jets);
  EXPECT_TRUE(baseline.residuals[0].too_few_jets);
  EXPECT_NEAR(baseline.mean_pt_gen, kPtGen, 1e-9);
  EXPECT_NEAR(baseline.q75 - baseline.q25, kBinWidth, 1e-6);
  const double s_baseline = kBinWidth / 1.1, s_model = kBinWidth / 2 / 1.05;
  EXPECT_NEAR(baseline.resolution.value, s_baseline, 1e-6);
  EXPECT_NEAR(model.resolution.value, s_model, 1e-6);
  EXPECT_NEAR(model.resolution_ratio.value, s_model / s_baseline, 1e-5);
  const RangeNumbers& range = result.correctors[1].regions[0].ranges[kMiddleRange];
  EXPECT_NEAR(range.beta.value, 1 - s_model / s_baseline, 1e-5);
  EXPECT_EQ(result.correctors[1].regions[1].ranges[kMiddleRange].jets, 0);
}

TEST(Analyze, TakesTheFlavorResidualFromLightQuarksTogether) {
  const Analysis result = analyze(sample_of(kCenters), without_errors(5));
  const BinNumbers& bin = result.correctors[0].regions[0].bins[find_pt_bin(kPtGen)];
  const FlavorResidual& light = bin.residuals[0];
  ASSERT_EQ(kFlavorPairs[0].name, "uds-g");
  EXPECT_EQ(light.first_jets, 15);
  EXPECT_EQ(light.second_jets, 5);
  EXPECT_NEAR(light.difference.value, 1.02 - 0.97, 1e-6);
  ASSERT_EQ(kFlavorPairs[3].name, "u-d");
  EXPECT_NEAR(bin.residuals[3].difference.value, 1.03 - 1.02, 1e-6);
  const FlavorResiduals& range = result.correctors[0].regions[0].ranges[kMiddleRange].residuals;
  EXPECT_NEAR(range[2].difference.value, 0.98 - 0.97, 1e-6);
}

TEST(Analyze, LeavesLargeTargetsOutOfTheLossOnly) {
  JetSample sample = sample_of({1, 1, 1, 1, 1, 1});
  for (std::size_t i = 0; i < sample.pt_reco.size(); ++i) {
    sample.pt_reco[i] = i == 0 ? 1000.0F : 100.0F;  // |y| = 1.6 and 0.69
    sample.correctors[0].pt_corr[i] = sample.pt_reco[i];
    sample.correctors[1].pt_corr[i] = 210.0F;
  }
  const Analysis result = analyze(sample, without_errors());
  EXPECT_EQ(result.counts.large_target, 1);
  EXPECT_EQ(result.counts.used, 30);
  EXPECT_NEAR(result.correctors[0].loss.value, std::log(2.0) * 29 / 30, 1e-6);
  EXPECT_NEAR(result.correctors[1].loss.value, std::log(1.05) * 29 / 30, 1e-6);
  EXPECT_NEAR(result.correctors[1].loss_gain.value, 1 - std::log(1.05) / std::log(2.0), 1e-6);
}

TEST(Analyze, FlagsBinsThatAThresholdBiases) {
  const JetSample sample = sample_of(kCenters);  // pt_reco starts at 178 GeV
  const Analysis found = analyze(sample, without_errors());
  EXPECT_NEAR(found.reco_threshold, kPtGen * (0.97 - kBinWidth), 1e-3);
  EXPECT_TRUE(found.correctors[0].regions[0].bins[0].cut_biased);
  EXPECT_TRUE(found.correctors[0].regions[0].bins[3].cut_biased);   // 44 to 57 GeV
  EXPECT_FALSE(found.correctors[0].regions[0].bins[4].cut_biased);  // from 57 GeV
  EXPECT_TRUE(found.correctors[0].regions[0].ranges[kWideRange].cut_biased);
  EXPECT_FALSE(found.correctors[0].regions[0].ranges[kMiddleRange].cut_biased);
  AnalysisOptions options = without_errors();
  options.reco_threshold = 0;
  const Analysis off = analyze(sample, options);
  EXPECT_EQ(off.reco_threshold, 0);
  EXPECT_FALSE(off.correctors[0].regions[0].bins[0].cut_biased);
}

TEST(Analyze, CountsEveryJetInTheDistributionOfItsRange) {
  JetSample sample = sample_of(kCenters);
  sample.correctors[0].pt_corr[0] = 10 * kPtGen;
  sample.correctors[0].pt_corr[1] = 0.1F * kPtGen;
  const Analysis result = analyze(sample, without_errors());
  const Distribution& middle = result.correctors[0].regions[0].distributions[1];
  EXPECT_EQ(middle.range, kMiddleRange);
  EXPECT_EQ(middle.histogram.overflow, 1);
  EXPECT_EQ(middle.histogram.underflow, 1);
  std::int64_t inside = 0;
  for (const std::int64_t count : middle.histogram.counts) inside += count;
  EXPECT_EQ(inside, 28);
}

TEST(Analyze, RejectsAMinimumBelowOne) {
  EXPECT_THROW(analyze(sample_of(kCenters), without_errors(0)), Error);
}

}  // namespace
}  // namespace jetcal::analysis
