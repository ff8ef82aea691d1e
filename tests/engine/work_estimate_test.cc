// SPDX-License-Identifier: Apache-2.0
#include "jetcal/engine/detail/work_estimate.h"

#include <gtest/gtest.h>

namespace jetcal::engine::detail {
namespace {

using std::chrono::microseconds;

class WorkEstimateTest : public testing::Test {
 protected:
  bool is_short_after(microseconds gap, std::int64_t elements,
                      microseconds limit = microseconds(50)) {
    now_ += gap;
    return estimate_.is_within(limit, elements, now_);
  }

  WorkEstimate estimate_;
  WorkEstimate::Clock::time_point now_ = WorkEstimate::Clock::now();
};

TEST_F(WorkEstimateTest, NothingIsShortBeforeSomethingRan) {
  EXPECT_FALSE(is_short_after(microseconds(1000), 1));
}

TEST_F(WorkEstimateTest, GrowsWithElementsAndNeverFallsBelowTheShortestBatch) {
  estimate_.add(100, microseconds(10));
  EXPECT_TRUE(is_short_after(microseconds(1000), 1));
  EXPECT_TRUE(is_short_after(microseconds(1000), 500));
  EXPECT_FALSE(is_short_after(microseconds(1000), 501));
}

TEST_F(WorkEstimateTest, WhatIsShortDependsOnTheLimit) {
  estimate_.add(100, microseconds(60));
  EXPECT_FALSE(is_short_after(microseconds(1000), 1));
  EXPECT_TRUE(is_short_after(microseconds(1000), 1, microseconds(60)));
  EXPECT_FALSE(is_short_after(microseconds(1000), 1, microseconds(0)));
}

TEST_F(WorkEstimateTest, AModelOfConstantCostIsNotShortForFewElements) {
  estimate_.add(1'000'000, microseconds(60'000));
  EXPECT_FALSE(is_short_after(microseconds(1000), 1));
}

TEST_F(WorkEstimateTest, RequestsOfABurstAreLeftToTheQueue) {
  estimate_.add(100, microseconds(20));
  EXPECT_TRUE(is_short_after(microseconds(1000), 100));
  EXPECT_FALSE(is_short_after(microseconds(5), 100));
  EXPECT_TRUE(is_short_after(microseconds(20), 100));
}

}  // namespace
}  // namespace jetcal::engine::detail
