// SPDX-License-Identifier: Apache-2.0
#include "jetcal/train/loss.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <vector>

#include "jetcal/base/error.h"

namespace jetcal::train {
namespace {

TEST(Loss, CountsRejectedJetsInTheDenominatorOnly) {
  // |0.5 - 0.25| + |-0.75 - 0| = 1.0 over five jets; three have |y| >= 1.
  const std::vector<float> target{0.5F, -0.75F, 1.0F, -1.0F, 3.0F};
  const std::vector<float> prediction{0.25F, 0.0F, 0.0F, 9.0F, 3.0F};
  const LossSum sum = sum_loss(target, prediction);
  EXPECT_DOUBLE_EQ(sum.absolute_error, 1.0);
  EXPECT_EQ(sum.num_jets, 5);
  EXPECT_EQ(sum.rejected_jets, 3);
  EXPECT_DOUBLE_EQ(sum.mean(), 0.2);
}

TEST(Loss, OfAConstantIsThatOfEqualPredictions) {
  const std::vector<float> target{0.5F, -0.75F, 2.0F};
  const std::vector<float> prediction(3, 0.25F);
  EXPECT_DOUBLE_EQ(sum_loss(target, 0.25).mean(), sum_loss(target, prediction).mean());
  EXPECT_DOUBLE_EQ(sum_loss(target, 0.0).mean(), 1.25 / 3);
}

TEST(Loss, AddsUpOverBatches) {
  std::vector<float> target(40001);
  for (std::size_t i = 0; i < target.size(); ++i)
    target[i] = static_cast<float>(i % 7) * 0.25F - 0.5F;
  LossSum parts;
  parts += sum_loss(std::span(target).first(123), 0.125);
  parts += sum_loss(std::span(target).subspan(123), 0.125);
  const LossSum whole = sum_loss(target, 0.125);
  EXPECT_DOUBLE_EQ(parts.mean(), whole.mean());  // multiples of 1/8: every sum is exact
  EXPECT_EQ(parts.rejected_jets, whole.rejected_jets);
}

TEST(Loss, IsNotFiniteWhereANumberIsNot) {
  const float nan = std::numeric_limits<float>::quiet_NaN();
  const float infinity = std::numeric_limits<float>::infinity();
  EXPECT_TRUE(std::isnan(sum_loss(std::vector<float>{0.1F, nan}, 0.0).mean()));
  EXPECT_TRUE(std::isnan(sum_loss(std::vector<float>{0.1F, infinity}, 0.0).mean()));
  const std::vector<float> target{2.0F};
  EXPECT_TRUE(std::isnan(sum_loss(target, std::vector<float>{nan}).mean()));
  EXPECT_TRUE(std::isnan(LossSum().mean()));
}

TEST(BestConstant, IsTheMedianOfTheTargetsInside) {
  EXPECT_FLOAT_EQ(best_constant(std::vector<float>{0.5F, -7.0F, 0.1F, 0.2F, 1.0F}), 0.2);
  EXPECT_DOUBLE_EQ(best_constant(std::vector<float>{0.5F, 0.25F, -0.5F, 0.125F, 4.0F}), 0.1875);
}

TEST(BestConstant, HasTheLowestLossOfAll) {
  std::vector<float> target;
  for (int i = 0; i < 101; ++i) target.push_back(static_cast<float>(std::sin(i) + 0.3));
  const double best = sum_loss(target, best_constant(target)).mean();
  for (double constant = -1; constant <= 1; constant += 0.01) {
    EXPECT_LE(best, sum_loss(target, constant).mean() + 1e-12) << constant;
  }
}

TEST(Loss, OfAWeightedJetIsThatOfSoManyJets) {
  const std::vector<float> target{0.5F, -0.75F, 2.0F}, prediction{0.25F, 0.5F, 0.0F};
  const std::vector<float> weight{3.0F, 1.0F, 2.0F};
  const std::vector<float> repeated{0.5F, 0.5F, 0.5F, -0.75F, 2.0F, 2.0F};
  const std::vector<float> repeated_prediction{0.25F, 0.25F, 0.25F, 0.5F, 0.0F, 0.0F};
  const LossSum sum = sum_loss(target, prediction, weight);
  EXPECT_DOUBLE_EQ(sum.weight, 6);
  EXPECT_EQ(sum.num_jets, 3);
  EXPECT_EQ(sum.rejected_jets, 1);
  EXPECT_DOUBLE_EQ(sum.mean(), sum_loss(repeated, repeated_prediction).mean());
  EXPECT_DOUBLE_EQ(sum_loss(target, 0.25, weight).mean(), sum_loss(repeated, 0.25).mean());
}

TEST(Loss, DoesNotChangeWithTheScaleOfTheWeights) {
  const std::vector<float> target{0.5F, -0.75F, 0.125F};
  const std::vector<float> weight{3.0F, 1.0F, 2.0F}, scaled{0.75F, 0.25F, 0.5F};
  EXPECT_DOUBLE_EQ(sum_loss(target, 0.0, weight).mean(), sum_loss(target, 0.0, scaled).mean());
}

TEST(BestConstant, IsTheMedianOfJetsRepeatedByTheirWeight) {
  const std::vector<float> target{0.5F, 0.25F, -0.5F, 0.125F, 4.0F, 0.75F};
  const std::vector<float> weight{2, 1, 3, 1, 50, 0};
  const std::vector<float> repeated{0.5F, 0.5F, 0.25F, -0.5F, -0.5F, -0.5F, 0.125F};
  EXPECT_DOUBLE_EQ(best_constant(target, weight), best_constant(repeated));
  const std::vector<float> halves{1, 1, 3, 1, 9, 0};  // 3 of 6 end after -0.5
  EXPECT_DOUBLE_EQ(best_constant(target, halves), (-0.5 + 0.125) / 2);
  EXPECT_DOUBLE_EQ(best_constant(target, std::vector<float>(6, 0.5F)), best_constant(target));
  EXPECT_THROW(best_constant(target, std::vector<float>(6, 0.0F)), Error);
}

TEST(BestConstant, NeedsATargetInside) {
  EXPECT_THROW(best_constant(std::vector<float>{1.0F, -2.0F}), Error);
  EXPECT_THROW(best_constant(std::vector<float>{}), Error);
}

}  // namespace
}  // namespace jetcal::train
