// SPDX-License-Identifier: Apache-2.0
#include "jetcal/kernels/elementwise.h"

#include <gtest/gtest.h>

#include <limits>

#include "tests/kernels/kernel_case.h"

namespace jetcal::kernels {
namespace {

constexpr float kNan = std::numeric_limits<float>::quiet_NaN();

class ElementwiseTest : public KernelTest {};

TEST_P(ElementwiseTest, MatchesReferenceBitForBitAtEveryTail) {
  for (std::int64_t size = 0; size <= 70; ++size) {
    Floats x = random_floats(size, 31);
    if (size > 5) x[5] = kNan;
    if (size > 6) x[6] = 0;
    const auto all = [&] {
      Floats y = x;
      relu_forward(y);
      Floats grad = random_floats(size, 32);
      relu_backward(y, grad);
      add(grad, y);
      grad.insert(grad.end(), y.begin(), y.end());
      return grad;
    };
    EXPECT_TRUE(same_bits(run_on(GetParam(), all), run_on(Isa::Ref, all))) << size;
  }
}

TEST_P(ElementwiseTest, ReluStopsWhatIsBelowZeroButNotNan) {
  const ScopedIsa forced(GetParam());
  Floats x{-1, 0, 2, kNan, -0.5F, 3, -7, 8, -9, 10};
  relu_forward(x);
  EXPECT_TRUE(std::isnan(x[3]));
  x[3] = 1;
  EXPECT_EQ(x, (Floats{0, 0, 2, 1, 0, 3, 0, 8, 0, 10}));
  Floats grad(10, 5.0F);
  relu_backward(x, grad);
  EXPECT_EQ(grad, (Floats{0, 0, 5, 5, 0, 5, 0, 5, 0, 5}));
}

TEST_P(ElementwiseTest, ThreadsChangeNoBit) {
  const ScopedIsa forced(GetParam());
  const auto all = [] {
    Floats x = random_floats(100001, 33);
    add(x, x);
    relu_forward(x);
    dropout(x, 0.3F, 4);
    return x;
  };
  EXPECT_TRUE(same_bits(run_with_threads(1, all), run_with_threads(2, all)));
}

JETCAL_TEST_VARIANTS(ElementwiseTest);

TEST(Dropout, DropsTheRateAndKeepsTheMean) {
  constexpr std::int64_t kSize = 200000;
  for (const float rate : {0.01F, 0.5F, 0.9F}) {
    Floats x(kSize, 1.0F);
    dropout(x, rate, /*seed=*/7);
    std::int64_t dropped = 0;
    for (const float value : x) {
      if (value == 0) {
        ++dropped;
      } else {
        EXPECT_EQ(value, 1 / (1 - rate));
      }
    }
    const double deviation = std::sqrt(rate * (1 - rate) / kSize);
    EXPECT_NEAR(static_cast<double>(dropped) / kSize, rate, 5 * deviation);
  }
}

TEST(Dropout, BackwardDropsTheSameElements) {
  Floats x(1000, 1.0F);
  Floats grad(1000, 1.0F);
  dropout(x, 0.4F, 11);
  dropout(grad, 0.4F, 11);
  EXPECT_EQ(x, grad);
}

TEST(Dropout, SeedChangesTheMaskAndRateZeroNothing) {
  Floats one(1000, 1.0F);
  Floats other = one;
  const Floats before = one;
  dropout(one, 0, 1);
  EXPECT_EQ(one, before);
  dropout(one, 0.5F, 1);
  dropout(other, 0.5F, 2);
  EXPECT_NE(one, other);
}

TEST(Standardise, ShiftsAndScalesColumns) {
  Floats x{1, 10, 3, 30, 5, 50};
  standardise(x, 2, Floats{3, 10}, Floats{2, 20}, x);
  EXPECT_EQ(x, (Floats{-1, 0, 0, 1, 1, 2}));
  standardise({}, 2, Floats{3, 10}, Floats{2, 20}, {});
}

}  // namespace
}  // namespace jetcal::kernels
