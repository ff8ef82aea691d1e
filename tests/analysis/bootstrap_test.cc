// SPDX-License-Identifier: Apache-2.0
#include "jetcal/analysis/bootstrap.h"

#include <gtest/gtest.h>

#include <cmath>
#include <numbers>

#include "jetcal/analysis/cells.h"
#include "jetcal/base/error.h"
#include "jetcal/base/random.h"
#include "jetcal/base/threads.h"

namespace jetcal::analysis {
namespace {

constexpr double kSigma = 0.1;

// Gluon jets of 150 GeV in the barrel with normal responses; the second corrector is the first
// times a constant.
ResponseSample normal_sample(int jets, std::uint64_t seed) {
  Rng rng(seed);
  ResponseSample sample;
  sample.names = {"a", "b"};
  sample.response.resize(2);
  for (int i = 0; i < jets; ++i) {
    const double response = 1 + kSigma * rng.normal();
    sample.pt_gen.push_back(150);
    sample.region.push_back(0);
    sample.flavor.push_back(edm::Flavor::G);
    sample.target.push_back(0);
    sample.response[0].push_back(response);
    sample.response[1].push_back(1.25 * response);
  }
  return sample;
}

const int kCell = bin_cell(0, find_pt_bin(150), kAllFlavors);

TEST(Bootstrap, GivesTheAnalyticErrorOfTheMedianOfANormalDistribution) {
  // The variance of the median of n normal values is pi sigma^2 / (2 n). One bootstrap error
  // scatters by some 10%, so several samples are averaged.
  constexpr int kJets = 2000, kSamples = 12;
  double sum = 0;
  for (int i = 0; i < kSamples; ++i) {
    const BootstrappedQuartiles result = bootstrap(normal_sample(kJets, i + 1), {200, 7, {}});
    sum += estimate(result, [](const QuartileTable& t) { return t.at(kCell, 0).q50; }).error;
  }
  const double want = kSigma * std::sqrt(std::numbers::pi / (2.0 * kJets));
  EXPECT_NEAR(sum / kSamples / want, 1, 0.15);
}

TEST(Bootstrap, CoversTheTrueMedianInTwoThirdsOfSamples) {
  constexpr int kSamples = 150;
  int covered = 0;
  for (int i = 0; i < kSamples; ++i) {
    const BootstrappedQuartiles result = bootstrap(normal_sample(300, 1000 + i), {60, 7, {}});
    const Estimate median =
        estimate(result, [](const QuartileTable& t) { return t.at(kCell, 0).q50; });
    covered += std::abs(median.value - 1) < median.error;
  }
  // 0.68 with a binomial deviation of 0.038; four of them either way.
  EXPECT_NEAR(static_cast<double>(covered) / kSamples, 0.68, 0.15);
}

TEST(Bootstrap, PairsTheCorrectors) {
  const BootstrappedQuartiles result = bootstrap(normal_sample(500, 3), {50, 7, {}});
  const Estimate ratio = estimate(
      result, [](const QuartileTable& t) { return t.at(kCell, 1).q50 / t.at(kCell, 0).q50; });
  EXPECT_NEAR(ratio.value, 1.25, 1e-12);
  EXPECT_NEAR(ratio.error, 0, 1e-12) << "the same jets were not drawn for both";
  const Estimate median =
      estimate(result, [](const QuartileTable& t) { return t.at(kCell, 0).q50; });
  EXPECT_GT(median.error, 0.001);
}

TEST(Bootstrap, DependsOnTheSeedAndNotOnTheThreads) {
  const ResponseSample sample = normal_sample(300, 3);
  const auto medians = [&](std::uint64_t seed) {
    const BootstrappedQuartiles result = bootstrap(sample, {20, seed, {}});
    std::vector<double> values;
    for (const QuartileTable& table : result.resamplings) values.push_back(table.at(kCell, 0).q50);
    return values;
  };
  const int threads = num_threads();
  set_num_threads(1);
  const std::vector<double> alone = medians(5);
  set_num_threads(3);
  EXPECT_EQ(medians(5), alone);
  EXPECT_NE(medians(6), alone);
  set_num_threads(threads);
}

TEST(Bootstrap, ReportsProgressAndLeavesEmptyCellsUndefined) {
  std::int64_t last = 0;
  const BootstrappedQuartiles result =
      bootstrap(normal_sample(50, 3), {9, 1, [&](std::int64_t done) { last = done; }});
  EXPECT_EQ(last, 9 * 2) << "resamplings times correctors";
  const Estimate empty =
      estimate(result, [](const QuartileTable& t) { return t.at(bin_cell(1, 0, 0), 0).q50; });
  EXPECT_TRUE(std::isnan(empty.value));
  EXPECT_TRUE(std::isnan(empty.error));
}

TEST(Bootstrap, WithoutResamplingsGivesValuesWithoutErrors) {
  const BootstrappedQuartiles result = bootstrap(normal_sample(50, 3), {0, 1, {}});
  const Estimate median =
      estimate(result, [](const QuartileTable& t) { return t.at(kCell, 0).q50; });
  EXPECT_TRUE(std::isfinite(median.value));
  EXPECT_TRUE(std::isnan(median.error));
  EXPECT_THROW(bootstrap(normal_sample(50, 3), {-1, 1, {}}), Error);
}

}  // namespace
}  // namespace jetcal::analysis
