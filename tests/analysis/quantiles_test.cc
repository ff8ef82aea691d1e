// SPDX-License-Identifier: Apache-2.0
#include "jetcal/analysis/quantiles.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <numeric>
#include <vector>

#include "jetcal/base/random.h"

namespace jetcal::analysis {
namespace {

TEST(Quantile, InterpolatesBetweenOrderStatisticsAsNumpyDoes) {
  const std::vector<double> values{1, 2, 4, 8};
  EXPECT_DOUBLE_EQ(quantile(values, 0.25), 1.75);  // h = 0.75
  EXPECT_DOUBLE_EQ(quantile(values, 0.5), 3.0);    // h = 1.5
  EXPECT_DOUBLE_EQ(quantile(values, 0.75), 5.0);   // h = 2.25
  EXPECT_DOUBLE_EQ(quantile(values, 0), 1);
  EXPECT_DOUBLE_EQ(quantile(values, 1), 8);
}

TEST(Quantile, OfOneValueIsThatValueAndOfNoneIsNotANumber) {
  EXPECT_DOUBLE_EQ(quantile(std::vector<double>{7}, 0.25), 7);
  EXPECT_TRUE(std::isnan(quantile(std::vector<double>{}, 0.5)));
  EXPECT_TRUE(std::isnan(quartiles(std::vector<double>{}).resolution()));
}

TEST(Quartiles, GiveTheRelativeResolution) {
  const Quartiles result = quartiles(std::vector<double>{1, 2, 4, 8});
  EXPECT_EQ(result.jets, 4);
  EXPECT_DOUBLE_EQ(result.resolution(), (5.0 - 1.75) / 3.0);
}

TEST(ResampledQuartiles, EqualThoseOfTheSampleWrittenOut) {
  Rng rng(3);
  for (const int rows : {1, 2, 3, 4, 5, 17, 100}) {
    for (int trial = 0; trial < 50; ++trial) {
      std::vector<double> values(rows);
      for (double& value : values) value = std::round(10 * rng.normal()) / 10;  // with ties
      std::vector<std::uint16_t> counts(rows);
      for (std::uint16_t& count : counts) count = static_cast<std::uint16_t>(rng.below(4));
      std::vector<std::uint32_t> order(rows);
      std::iota(order.begin(), order.end(), 0U);
      std::sort(order.begin(), order.end(),
                [&](std::uint32_t a, std::uint32_t b) { return values[a] < values[b]; });

      std::vector<double> written_out;
      for (int row = 0; row < rows; ++row) {
        written_out.insert(written_out.end(), counts[row], values[row]);
      }
      std::sort(written_out.begin(), written_out.end());
      const Quartiles want = quartiles(written_out);
      const Quartiles got = resampled_quartiles(values, order, counts);
      ASSERT_EQ(got.jets, want.jets);
      if (want.jets == 0) {
        EXPECT_TRUE(std::isnan(got.q50));
        continue;
      }
      EXPECT_DOUBLE_EQ(got.q25, want.q25) << rows;
      EXPECT_DOUBLE_EQ(got.q50, want.q50) << rows;
      EXPECT_DOUBLE_EQ(got.q75, want.q75) << rows;
    }
  }
}

}  // namespace
}  // namespace jetcal::analysis
