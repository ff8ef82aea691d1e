// SPDX-License-Identifier: Apache-2.0
#include "jetcal/train/parameter_groups.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "jetcal/base/error.h"
#include "jetcal/train/optimizer.h"

namespace jetcal::train {
namespace {

using testing::HasSubstr;

models::Layout layout() {
  return {{{"particle0.weight", {2, 2}, 0, 4},
           {"particle0.bias", {2}, 4, 2},
           {"head0.weight", {1, 2}, 6, 2},
           {"head0.bias", {1}, 8, 1}},
          {},
          9,
          0};
}

std::string complaint(const ParameterRules& rules) {
  try {
    parameter_ranges(rules, layout());
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::InvalidArgument);
    return error.what();
  }
  return "none";
}

TEST(ParameterGroups, WithoutRulesThereIsOneRange) {
  const auto ranges = parameter_ranges({}, layout());
  ASSERT_EQ(ranges.size(), 1U);
  EXPECT_EQ(ranges[0].begin, 0);
  EXPECT_EQ(ranges[0].end, 9);
}

TEST(ParameterGroups, AllRulesThatMatchCount) {
  ParameterRules rules;
  rules.learning_rate = {{"head*", 0.5}, {"*.bias", 4}};
  rules.weight_decay = {{"*.bias", 0}};
  rules.freeze = {"particle0.bias"};
  const auto ranges = parameter_ranges(rules, layout());
  ASSERT_EQ(ranges.size(), 4U);
  EXPECT_EQ(ranges[0].learning_rate_factor, 1);
  EXPECT_EQ(ranges[0].weight_decay_factor, 1);
  EXPECT_TRUE(ranges[1].frozen);
  EXPECT_EQ(ranges[2].learning_rate_factor, 0.5);
  EXPECT_EQ(ranges[3].learning_rate_factor, 2);
  EXPECT_EQ(ranges[3].weight_decay_factor, 0);
}

TEST(ParameterGroups, RulesAreReadAsPatternAndFactor) {
  EXPECT_EQ(parse_pattern_factor("head*.bias=0.25", "x"), (PatternFactor{"head*.bias", 0.25}));
  for (const char* const text : {"head", "=1", "head=", "head=fast", "head=1 "})
    EXPECT_THROW(parse_pattern_factor(text, "x"), Error) << text;
}

TEST(ParameterGroups, MistakesAreNamed) {
  ParameterRules rules;
  rules.freeze = {"block*"};
  EXPECT_THAT(complaint(rules), HasSubstr("no parameter of the network matches 'block*'"));
  rules.freeze = {"*"};
  EXPECT_THAT(complaint(rules), HasSubstr("nothing is left to train"));
  rules.freeze = {};
  rules.learning_rate = {{"head*", -1}};
  EXPECT_THAT(complaint(rules), HasSubstr("training.lr_multipliers"));
}

// Each range must move as a run of its own with its rate and decay, and frozen ones not at all.
TEST(ParameterGroups, OptimizersObeyThem) {
  ParameterRules rules;
  rules.learning_rate = {{"head*", 0.5}};
  rules.weight_decay = {{"*.bias", 0}};
  rules.freeze = {"particle0.bias"};
  const auto ranges = parameter_ranges(rules, layout());
  const std::vector<float> start{0.5F, -1, 2, 0.25F, 3, -3, 1, 1.5F, -2};
  for (const OptimizerKind kind : kOptimizers) {
    std::vector<float> weights = start;
    std::vector<float> gradient(start.size());
    Optimizer all({kind, 0.01, 0.1, ranges}, weights, gradient);
    std::vector<float> expected = start;
    std::vector<Optimizer> parts;
    for (const ParameterRange& range : ranges) {
      const auto size = static_cast<std::size_t>(range.end - range.begin);
      parts.emplace_back(OptimizerOptions{kind, 0.01, 0.1 * range.weight_decay_factor},
                         std::span(expected).subspan(range.begin, size),
                         std::span<const float>(gradient).subspan(range.begin, size));
    }
    for (int step = 0; step < 14; ++step) {
      for (std::size_t i = 0; i < gradient.size(); ++i)
        gradient[i] = 0.1F * weights[i] + 0.01F * static_cast<float>(i + step);
      all.step(0.01);
      for (std::size_t i = 0; i < parts.size(); ++i)
        if (!ranges[i].frozen) parts[i].step(0.01 * ranges[i].learning_rate_factor);
    }
    EXPECT_EQ(weights[4], start[4]);
    EXPECT_EQ(weights[5], start[5]);
    EXPECT_NE(weights[0], start[0]);
    for (std::size_t i = 0; i < weights.size(); ++i)
      EXPECT_NEAR(weights[i], expected[i], 1e-6) << optimizer_name(kind) << " " << i;
  }
}

}  // namespace
}  // namespace jetcal::train
