// SPDX-License-Identifier: Apache-2.0
#include "jetcal/train/gradient_clip.h"

#include <gtest/gtest.h>

#include <cmath>
#include <vector>

#include "jetcal/base/error.h"

namespace jetcal::train {
namespace {

TEST(Clip, LeavesAGradientWithinItsBoundsAlone) {
  std::vector<float> gradient{3, -4};
  EXPECT_FALSE(clip({}, gradient));
  EXPECT_FALSE(clip({.norm = 5.1, .value = 4}, gradient));
  EXPECT_EQ(gradient, (std::vector<float>{3, -4}));
}

TEST(Clip, ScalesALongGradientToItsNorm) {
  std::vector<float> gradient(1003);
  double sum = 0;
  for (std::size_t i = 0; i < gradient.size(); ++i) {
    gradient[i] = std::sin(static_cast<float>(i));
    sum += static_cast<double>(gradient[i]) * gradient[i];
  }
  const std::vector<float> before = gradient;
  EXPECT_TRUE(clip({.norm = 0.5, .value = {}}, gradient));
  const double scale = 0.5 / (std::sqrt(sum) + 1e-6);
  for (std::size_t i = 0; i < gradient.size(); ++i)
    EXPECT_NEAR(gradient[i], scale * before[i], 1e-7 * std::abs(scale * before[i])) << i;
}

TEST(Clip, CutsLargeValues) {
  std::vector<float> gradient{-3, 0.25F, 2};
  EXPECT_TRUE(clip({.norm = {}, .value = 0.5}, gradient));
  EXPECT_EQ(gradient, (std::vector<float>{-0.5F, 0.25F, 0.5F}));
}

TEST(Clip, CutsValuesBeforeItScales) {
  std::vector<float> gradient{30, 0, 4};
  EXPECT_TRUE(clip({.norm = 2.5, .value = 3}, gradient));
  EXPECT_NEAR(std::hypot(gradient[0], gradient[2]), 2.5, 1e-5);
  EXPECT_EQ(gradient[0], gradient[2]);
}

TEST(Clip, RefusesBoundsThatAreNotPositive) {
  EXPECT_NO_THROW(validate(ClipOptions{}));
  EXPECT_THROW(validate(ClipOptions{.norm = 0.0, .value = {}}), Error);
  EXPECT_THROW(validate(ClipOptions{.norm = {}, .value = -1.0}), Error);
  EXPECT_THROW(validate(ClipOptions{.norm = std::nan(""), .value = {}}), Error);
}

}  // namespace
}  // namespace jetcal::train
