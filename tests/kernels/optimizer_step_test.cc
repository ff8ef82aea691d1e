// SPDX-License-Identifier: Apache-2.0
#include "jetcal/kernels/optimizer_step.h"

#include <gtest/gtest.h>

#include <limits>

#include "tests/kernels/kernel_case.h"

namespace jetcal::kernels {
namespace {

constexpr float kInfinity = std::numeric_limits<float>::infinity();
constexpr double kRate = 0.01;

enum class Rule { Adam, AdamDecay, AdamW, RangerEarly, RangerLate, RangerPull, Adagrad, Rmsprop };
constexpr Rule kRules[] = {Rule::Adam,       Rule::AdamDecay,  Rule::AdamW,   Rule::RangerEarly,
                           Rule::RangerLate, Rule::RangerPull, Rule::Adagrad, Rule::Rmsprop};

struct State {
  Floats gradient, parameters, average, square, slow;
};

State random_state(std::int64_t size, std::uint64_t seed) {
  State state{random_floats(size, seed), random_floats(size, seed + 1),
              random_floats(size, seed + 2), random_floats(size, seed + 3),
              random_floats(size, seed + 4)};
  for (float& value : state.square) value = 0.1F * value * value;
  return state;
}

State after(Rule rule, State state) {
  auto& [gradient, parameters, average, square, slow] = state;
  AdamStep adam{kRate};
  adam.step = 7;
  RangerStep ranger{kRate};
  ranger.weight_decay = 0.1;
  switch (rule) {
    case Rule::AdamW:
    case Rule::AdamDecay:
      adam.weight_decay = 0.1;
      adam.decay_apart = rule == Rule::AdamW;
      [[fallthrough]];
    case Rule::Adam:
      adam_step(adam, gradient, parameters, average, square);
      break;
    case Rule::RangerEarly:
    case Rule::RangerLate:
    case Rule::RangerPull:
      ranger.step = rule == Rule::RangerEarly ? 2 : rule == Rule::RangerLate ? 17 : 18;
      ranger_step(ranger, gradient, parameters, average, square, slow);
      break;
    case Rule::Adagrad:
      adagrad_step({kRate, 1e-10, 0.1}, gradient, parameters, square);
      break;
    case Rule::Rmsprop:
      rmsprop_step({kRate, 0.99, 1e-8, 0.1}, gradient, parameters, square);
      break;
  }
  return state;
}

class OptimizerStepTest : public KernelTest {};

TEST_P(OptimizerStepTest, MatchesReferenceAtEveryTail) {
  for (const Rule rule : kRules) {
    for (std::int64_t size = 0; size <= 70; ++size) {
      const State before = random_state(size, 51);
      const State want = run_on(Isa::Ref, [&] { return after(rule, before); });
      const State got = run_on(GetParam(), [&] { return after(rule, before); });
      std::vector<double> average_bound;
      std::vector<double> square_bound;
      std::vector<double> bound;
      for (std::int64_t i = 0; i < size; ++i) {
        // Each of the two or three roundings is of a term not larger than these sums.
        const double g = std::abs(before.gradient[i]) + 0.1 * std::abs(before.parameters[i]);
        average_bound.push_back(4 * kRoundoff * (std::abs(before.average[i]) + g));
        square_bound.push_back(8 * kRoundoff * (before.square[i] + g * g));
        // The quotient inherits them, relative to the divisor; rates are at most kRate / (1 -
        // 0.95), the square root of the correction of the second moment only makes the divisor
        // larger.
        const double divisor = rule == Rule::RangerEarly ? 1 : std::sqrt(want.square[i]);
        const double quotient = 20 * kRate * (average_bound.back() + 4 * kRoundoff * g) / divisor +
                                20 * kRate * (std::abs(before.average[i]) + g) / divisor *
                                    (square_bound.back() / (divisor * divisor) + 4 * kRoundoff);
        bound.push_back(quotient + 4 * kRoundoff *
                                       (std::abs(before.parameters[i]) + std::abs(before.slow[i])));
      }
      expect_near(got.average, want.average, average_bound, "average");
      expect_near(got.square, want.square, square_bound, "square");
      expect_near(got.parameters, want.parameters, bound, "parameters");
      expect_near(got.slow, want.slow, bound, "slow");
      EXPECT_EQ(got.gradient, before.gradient);
      EXPECT_EQ(got.parameters == before.parameters, size == 0);
    }
  }
}

TEST_P(OptimizerStepTest, TailAndThreadsChangeNoBit) {
  const ScopedIsa forced(GetParam());
  for (const Rule rule : kRules) {
    const State before = random_state(50001, 52);
    const auto run = [&] { return after(rule, before).parameters; };
    const Floats all = run_with_threads(1, run);
    EXPECT_TRUE(same_bits(all, run_with_threads(2, run)));
    // The last elements alone, where they are lanes of a full vector or not.
    for (const std::int64_t count : {1, 3, 8, 17}) {
      const auto last = [count](const Floats& x) { return Floats(x.end() - count, x.end()); };
      const State part{last(before.gradient), last(before.parameters), last(before.average),
                       last(before.square), last(before.slow)};
      EXPECT_TRUE(same_bits(after(rule, part).parameters, last(all))) << count;
    }
  }
}

TEST_P(OptimizerStepTest, StaysFreeOfNanWhereSquaresOverflow) {
  const ScopedIsa forced(GetParam());
  for (const Rule rule : kRules) {
    State state = random_state(20, 53);
    for (float& value : state.average) value = 0;
    for (int step = 0; step < 3; ++step) {
      state.gradient.assign(20, step == 1 ? 1e30F : -2.0F);
      state.gradient[4] = std::numeric_limits<float>::denorm_min();
      state.gradient[5] = 0;
      state = after(rule, state);
      for (const Floats* values : {&state.parameters, &state.average, &state.square, &state.slow}) {
        for (const float value : *values) ASSERT_FALSE(std::isnan(value));
      }
      for (const float value : state.parameters) ASSERT_TRUE(std::isfinite(value));
    }
  }
}

TEST_P(OptimizerStepTest, PullsTowardsSlowWeightsOnlyEverySixthStep) {
  const ScopedIsa forced(GetParam());
  const State before = random_state(33, 54);
  EXPECT_EQ(after(Rule::RangerLate, before).slow, before.slow);
  const State pulled = after(Rule::RangerPull, before);
  EXPECT_NE(pulled.slow, before.slow);
  EXPECT_EQ(pulled.slow, pulled.parameters);
}

TEST_P(OptimizerStepTest, FindsOneNumberThatIsNotFinite) {
  const ScopedIsa forced(GetParam());
  EXPECT_TRUE(all_finite({}));
  for (const std::int64_t size : {1, 7, 8, 9, 31, 64, 65, 130, 40000}) {
    Floats x = random_floats(size, 55);
    x[0] = std::numeric_limits<float>::max();
    EXPECT_TRUE(all_finite(x)) << size;
    for (const std::int64_t at : {std::int64_t{0}, size / 2, size - 1}) {
      for (const float bad : {kInfinity, -kInfinity, std::nanf("")}) {
        Floats y = x;
        y[at] = bad;
        EXPECT_FALSE(all_finite(y)) << size << " " << at << " " << bad;
      }
    }
  }
}

JETCAL_TEST_VARIANTS(OptimizerStepTest);

}  // namespace
}  // namespace jetcal::kernels
