// SPDX-License-Identifier: Apache-2.0
#include "jetcal/client/latency.h"

#include <gmock/gmock.h>

#include <cmath>

namespace jetcal::client {
namespace {

TEST(Latency, PercentilesAreNearestRanks) {
  std::vector<double> values;
  for (int i = 1000; i >= 1; --i) values.push_back(i);
  const LatencySummary summary = summarise(values);
  EXPECT_EQ(summary.count, 1000);
  EXPECT_DOUBLE_EQ(summary.mean, 500.5);
  EXPECT_EQ(summary.p50, 500);
  EXPECT_EQ(summary.p90, 900);
  EXPECT_EQ(summary.p95, 950);
  EXPECT_EQ(summary.p99, 990);
  EXPECT_EQ(summary.p999, 999);
  EXPECT_EQ(summary.max, 1000);
}

TEST(Latency, FewValuesHavePercentilesToo) {
  EXPECT_EQ(summarise({}).p99, 0);
  EXPECT_EQ(summarise({}).count, 0);
  EXPECT_EQ(summarise({7}).p50, 7);
  EXPECT_EQ(summarise({7}).p999, 7);
  EXPECT_EQ(summarise({2, 1}).p50, 1);
  EXPECT_EQ(summarise({2, 1}).p90, 2);
  const std::vector<double> ascending{1, 2, 3};
  EXPECT_EQ(percentile(ascending, 0), 1);
  EXPECT_EQ(percentile(ascending, 1), 3);
}

TEST(Latency, ArrivalsAreAPoissonProcess) {
  constexpr double kRate = 500, kSeconds = 100;
  const std::vector<double> times = poisson_arrivals(kRate, kSeconds, 3);
  const double expected = kRate * kSeconds;
  EXPECT_NEAR(static_cast<double>(times.size()), expected, 5 * std::sqrt(expected));
  EXPECT_TRUE(std::is_sorted(times.begin(), times.end()));
  EXPECT_LT(times.back(), kSeconds);
  // Gaps are exponential: mean and deviation equal, a share e^-1 beyond the mean.
  double sum = 0, squares = 0, beyond = 0;
  for (std::size_t i = 1; i < times.size(); ++i) {
    const double gap = times[i] - times[i - 1];
    sum += gap;
    squares += gap * gap;
    beyond += gap > 1 / kRate ? 1 : 0;
  }
  const auto count = static_cast<double>(times.size() - 1);
  const double mean = sum / count;
  EXPECT_NEAR(std::sqrt(squares / count - mean * mean) / mean, 1, 0.03);
  EXPECT_NEAR(beyond / count, std::exp(-1), 0.01);
  // Counts in windows of 0.1 s have a variance equal to their mean.
  std::vector<double> counts(static_cast<std::size_t>(kSeconds * 10));
  for (const double time : times) ++counts[static_cast<std::size_t>(time * 10)];
  double variance = 0;
  for (const double n : counts) variance += (n - kRate / 10) * (n - kRate / 10);
  EXPECT_NEAR(variance / static_cast<double>(counts.size()) / (kRate / 10), 1, 0.2);
  EXPECT_EQ(times, poisson_arrivals(kRate, kSeconds, 3));
  EXPECT_NE(times, poisson_arrivals(kRate, kSeconds, 4));
}

}  // namespace
}  // namespace jetcal::client
