// SPDX-License-Identifier: Apache-2.0
#include "jetcal/base/random.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <numeric>
#include <vector>

namespace jetcal {
namespace {

TEST(Rng, GivesTheSameNumbersOnEveryMachine) {
  // Computed once from the published definitions of SplitMix64 and xoshiro256**.
  std::uint64_t seed = 42;
  std::array<std::uint64_t, 4> state{};
  for (std::uint64_t& word : state) {
    word = mix64(seed);
    seed += 0x9E3779B97F4A7C15ULL;
  }
  Rng rng(42);
  EXPECT_EQ(rng.state(), state);
  EXPECT_EQ(mix64(0), 0xE220A8397B1DCDAFULL);  // first output of SplitMix64 with seed 0
}

TEST(Rng, ContinuesFromASavedState) {
  Rng first(7);
  first();
  Rng second(0);
  second.set_state(first.state());
  EXPECT_EQ(first(), second());
}

TEST(Rng, DrawsHaveTheirMoments) {
  constexpr int kDraws = 200000;
  Rng rng(1);
  double uniform = 0, normal2 = 0, exponential = 0, poisson = 0, poisson2 = 0;
  for (int i = 0; i < kDraws; ++i) {
    uniform += rng.uniform();
    normal2 += std::pow(rng.normal(), 2);
    exponential += rng.exponential();
    const auto count = static_cast<double>(rng.poisson(45.0));
    poisson += count;
    poisson2 += count * count;
  }
  // Five standard errors of each mean.
  EXPECT_NEAR(uniform / kDraws, 0.5, 5 * std::sqrt(1.0 / 12 / kDraws));
  EXPECT_NEAR(normal2 / kDraws, 1.0, 5 * std::sqrt(2.0 / kDraws));
  EXPECT_NEAR(exponential / kDraws, 1.0, 5 * std::sqrt(1.0 / kDraws));
  EXPECT_NEAR(poisson / kDraws, 45.0, 5 * std::sqrt(45.0 / kDraws));
  EXPECT_NEAR(poisson2 / kDraws - std::pow(poisson / kDraws, 2), 45.0,
              5 * 45.0 * std::sqrt(2.0 / kDraws));
}

TEST(Rng, BelowStaysBelowAndReachesEveryValue) {
  Rng rng(3);
  std::vector<int> seen(7);
  for (int i = 0; i < 1000; ++i) ++seen.at(rng.below(7));
  for (const int times : seen) EXPECT_GT(times, 0);
}

TEST(Shuffle, PermutesAndRepeats) {
  std::vector<int> first(100), second(100);
  std::iota(first.begin(), first.end(), 0);
  second = first;
  const std::vector<int> sorted = first;
  Rng a(5), b(5);
  shuffle(std::span(first), a);
  shuffle(std::span(second), b);
  EXPECT_EQ(first, second);
  EXPECT_NE(first, sorted);
  std::sort(first.begin(), first.end());
  EXPECT_EQ(first, sorted);
}

}  // namespace
}  // namespace jetcal
