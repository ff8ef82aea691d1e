// SPDX-License-Identifier: Apache-2.0
#include "jetcal/hpo/statistics.h"

#include <gmock/gmock.h>

#include <cmath>

#include "jetcal/base/random.h"

namespace jetcal::hpo {
namespace {

using testing::DoubleNear;
using testing::ElementsAre;

// Counts pairs one by one: the definition of tau-b.
double kendall_by_pairs(const std::vector<double>& x, const std::vector<double>& y) {
  double difference = 0, untied_x = 0, untied_y = 0;
  for (std::size_t i = 0; i < x.size(); ++i) {
    for (std::size_t j = 0; j < i; ++j) {
      const double a = x[i] - x[j], b = y[i] - y[j];
      if (a != 0) ++untied_x;
      if (b != 0) ++untied_y;
      if (a * b > 0) ++difference;
      if (a * b < 0) --difference;
    }
  }
  return difference / std::sqrt(untied_x * untied_y);
}

TEST(Statistics, KendallMatchesItsDefinitionWithTies) {
  Rng rng(3);
  for (const std::uint64_t levels : {2U, 3U, 10U, 1000U}) {
    for (const std::size_t count : {2U, 3U, 7U, 64U, 65U}) {
      std::vector<double> x, y;
      for (std::size_t i = 0; i < count; ++i) {
        x.push_back(static_cast<double>(rng.below(levels)));
        y.push_back(static_cast<double>(rng.below(levels)) + 0.5 * x.back());
      }
      const double expected = kendall_by_pairs(x, y);
      if (std::isnan(expected)) {
        EXPECT_TRUE(std::isnan(kendall(x, y)));
      } else {
        EXPECT_NEAR(kendall(x, y), expected, 1e-14) << levels << " levels, " << count;
      }
    }
  }
}

TEST(Statistics, CorrelationsOfAMonotoneCurve) {
  std::vector<double> x, y;
  for (int i = 1; i <= 20; ++i) {
    x.push_back(i);
    y.push_back(std::exp(-i));
  }
  EXPECT_DOUBLE_EQ(spearman(x, y), -1);
  EXPECT_DOUBLE_EQ(kendall(x, y), -1);
  EXPECT_GT(pearson(x, y), -0.9);
  EXPECT_LT(pearson(x, y), -0.4);
}

TEST(Statistics, AConstantColumnHasNoCorrelation) {
  const std::vector<double> constant(7, 0.1), varied{1, 2, 3, 4, 5, 6, 7};
  EXPECT_TRUE(std::isnan(pearson(constant, varied)));
  EXPECT_TRUE(std::isnan(spearman(constant, varied)));
  EXPECT_TRUE(std::isnan(kendall(constant, varied)));
  EXPECT_TRUE(std::isnan(pearson({}, {})));
}

TEST(Statistics, RanksShareTies) {
  EXPECT_THAT(mean_ranks(std::vector<double>{5, 1, 5, 0}), ElementsAre(3.5, 2, 3.5, 1));
}

TEST(Statistics, QuantilesAreLinearBetweenNeighbours) {
  const std::vector<double> values{4, 1, 3, 2};
  EXPECT_THAT(quantile(values, 0.25), DoubleNear(1.75, 1e-15));
  EXPECT_THAT(quantile(values, 0), DoubleNear(1, 0));
  EXPECT_THAT(quantile(values, 1), DoubleNear(4, 0));
}

}  // namespace
}  // namespace jetcal::hpo
