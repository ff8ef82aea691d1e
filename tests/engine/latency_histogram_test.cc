// SPDX-License-Identifier: Apache-2.0
#include "jetcal/engine/latency_histogram.h"

#include <gtest/gtest.h>

namespace jetcal::engine {
namespace {

TEST(LatencyHistogram, PercentilesAreAtMostAnEighthTooHigh) {
  LatencyHistogram latency;
  EXPECT_EQ(latency.quantile_ns(0.5), 0);
  for (std::int64_t us = 1; us <= 10000; ++us) latency.add(us * 1000);
  EXPECT_EQ(latency.count(), 10000);
  EXPECT_EQ(latency.sum_ns(), 50005000000);
  for (const double q : {0.01, 0.5, 0.9, 0.99, 0.999}) {
    const double exact = q * 1e7;
    EXPECT_GE(static_cast<double>(latency.quantile_ns(q)), exact) << q;
    EXPECT_LE(static_cast<double>(latency.quantile_ns(q)), 1.126 * exact) << q;
  }
}

TEST(LatencyHistogram, CountsWhatLiesBelowABound) {
  LatencyHistogram latency;
  for (const std::int64_t ns : {0LL, 500LL, 90'000LL, 3'000'000LL, 1LL << 60}) latency.add(ns);
  EXPECT_EQ(latency.count_below(100'000), 3);
  EXPECT_EQ(latency.count_below(1'000'000'000), 4);
  EXPECT_GT(latency.quantile_ns(1.0), std::int64_t{1} << 45);
}

}  // namespace
}  // namespace jetcal::engine
