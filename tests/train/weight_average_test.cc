// SPDX-License-Identifier: Apache-2.0
#include "jetcal/train/weight_average.h"

#include <gtest/gtest.h>

#include "jetcal/base/error.h"

namespace jetcal::train {
namespace {

TEST(WeightAverage, FollowsTheDefinition) {
  const AverageOptions options{.decay = 0.75, .start_step = 2};
  std::vector<float> average;
  update_average(options, 1, std::vector<float>{1, 5}, average);
  EXPECT_EQ(average, (std::vector<float>{1, 5}));
  update_average(options, 2, std::vector<float>{3, 5}, average);  // still follows
  EXPECT_EQ(average, (std::vector<float>{3, 5}));
  update_average(options, 3, std::vector<float>{7, 1}, average);
  EXPECT_EQ(average, (std::vector<float>{4, 4}));
  update_average(options, 4, std::vector<float>{0, 4}, average);
  EXPECT_EQ(average, (std::vector<float>{3, 4}));
}

TEST(WeightAverage, TheFirstStepCopies) {
  std::vector<float> average;
  update_average({.decay = 0.999}, 1, std::vector<float>{2.5F}, average);
  EXPECT_EQ(average, std::vector<float>{2.5F});
}

TEST(WeightAverage, WeightsThatStayKeepTheirBits) {
  const std::vector<float> weights{0.1F, -1e-20F, 3e7F};
  std::vector<float> average = weights;
  for (int step = 1; step <= 100; ++step) update_average({.decay = 0.9}, step, weights, average);
  EXPECT_EQ(average, weights);
}

TEST(WeightAverage, RefusesDecaysThatAverageNothing) {
  EXPECT_NO_THROW(validate(AverageOptions{}));
  EXPECT_THROW(validate(AverageOptions{.decay = 1}), Error);
  EXPECT_THROW(validate(AverageOptions{.decay = -0.1}), Error);
  EXPECT_THROW(validate(AverageOptions{.decay = 0.9, .start_step = -1}), Error);
}

}  // namespace
}  // namespace jetcal::train
