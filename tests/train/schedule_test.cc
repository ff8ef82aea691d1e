// SPDX-License-Identifier: Apache-2.0
#include "jetcal/train/schedule.h"

#include <gtest/gtest.h>

#include <cmath>

#include "jetcal/base/error.h"

namespace jetcal::train {
namespace {

TEST(Schedule, FollowsThePaperOverFiftyEpochs) {
  const double gamma = std::pow(0.01, 1.0 / 15);  // physics.md 2.6
  for (int epoch = 0; epoch < 35; ++epoch) {
    EXPECT_EQ(learning_rate_factor(Schedule::FlatDecay, epoch, 50), 1) << epoch;
  }
  for (int epoch = 35; epoch < 50; ++epoch) {
    EXPECT_NEAR(learning_rate_factor(Schedule::FlatDecay, epoch, 50), std::pow(gamma, epoch - 34),
                1e-15)
        << epoch;
  }
  EXPECT_DOUBLE_EQ(learning_rate_factor(Schedule::FlatDecay, 49, 50), 0.01);
}

TEST(Schedule, ShortRunsEndAtOnePercentOrStayFlat) {
  EXPECT_DOUBLE_EQ(learning_rate_factor(Schedule::FlatDecay, 9, 10), 0.01);
  EXPECT_EQ(learning_rate_factor(Schedule::FlatDecay, 6, 10), 1);
  EXPECT_DOUBLE_EQ(learning_rate_factor(Schedule::FlatDecay, 3, 4), 0.01);
  for (int epoch = 0; epoch < 3; ++epoch) {
    EXPECT_EQ(learning_rate_factor(Schedule::FlatDecay, epoch, 3), 1);
  }
}

TEST(Schedule, ConstantStaysConstant) {
  EXPECT_EQ(learning_rate_factor(Schedule::Constant, 49, 50), 1);
}

TEST(Schedule, NamesAreReadBack) {
  for (const Schedule schedule : {Schedule::Constant, Schedule::FlatDecay}) {
    EXPECT_EQ(parse_schedule(schedule_name(schedule)), schedule);
  }
  EXPECT_THROW(parse_schedule("cosine"), Error);
}

}  // namespace
}  // namespace jetcal::train
