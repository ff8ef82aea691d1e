// SPDX-License-Identifier: Apache-2.0
#include "jetcal/data/reweighting.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include "jetcal/base/error.h"

namespace jetcal::data {
namespace {

using testing::HasSubstr;

ReweightRules read(const std::string& text) {
  return read_reweighting(Config::parse(text, "data.yaml"), "");
}

std::string error_of(const std::string& text) {
  try {
    read("reweighting: " + text);
  } catch (const Error& error) {
    return error.what();
  }
  return "no error";
}

TEST(Reweighter, MakesASpectrumFlat) {
  Reweighter reweighter(read("reweighting: {bins: {pt_gen: [0, 10, 20, 40]}}"));
  for (const double pt : {1, 2, 3, 4, 15, 25, 26, 100, -1}) {
    reweighter.add(reweighter.cell(std::span(&pt, 1), {}), 1);
  }
  reweighter.finish();
  EXPECT_EQ(reweighter.counts(), (std::vector<std::int64_t>{4, 1, 2}));
  // Equal sums in every bin, and a mean of 1 over the seven jets inside.
  EXPECT_DOUBLE_EQ(reweighter.factor(0) * 4, 7.0 / 3);
  EXPECT_DOUBLE_EQ(reweighter.factor(1) * 1, 7.0 / 3);
  EXPECT_DOUBLE_EQ(reweighter.factor(2) * 2, 7.0 / 3);
  EXPECT_EQ(reweighter.factor(-1), 1);
}

TEST(Reweighter, GivesTheSpectrumThatIsGivenInTwoVariables) {
  const ReweightRules rules = read(
      "reweighting: {bins: {pt_gen: [0, 1, 2], abs(eta_gen): [0, 1, 2]}, "
      "target: [[1, 2], [3, 0]]}");
  Reweighter reweighter(rules);
  std::vector<double> weights(4);
  for (std::size_t i = 0; i < 4; ++i) {
    const std::vector<double> at{i / 2 + 0.5, i % 2 + 0.5};
    EXPECT_EQ(reweighter.cell(at, {}), static_cast<std::int64_t>(i));
    weights[i] = 0.5 + static_cast<double>(i);
    reweighter.add(static_cast<std::int64_t>(i), weights[i]);
  }
  reweighter.finish();
  EXPECT_NEAR(reweighter.factor(1) * weights[1], 2 * reweighter.factor(0) * weights[0], 1e-12);
  EXPECT_NEAR(reweighter.factor(2) * weights[2], 3 * reweighter.factor(0) * weights[0], 1e-12);
  EXPECT_EQ(reweighter.factor(3), 0);
}

TEST(Reweighter, TreatsClassesOnTheirOwn) {
  const ReweightRules rules = read(
      "reweighting: {bins: {pt_gen: [0, 1, 2]}, classes: {quark: flavor < 6, gluon: flavor == 21}, "
      "class_weights: {gluon: 3}}");
  Reweighter reweighter(rules);
  const auto cell = [&](double pt, double quark, double gluon) {
    const std::vector<double> conditions{quark, gluon};
    return reweighter.cell(std::span(&pt, 1), conditions);
  };
  EXPECT_EQ(cell(0.5, 1, 0), 0);
  EXPECT_EQ(cell(1.5, 1, 0), 1);
  EXPECT_EQ(cell(0.5, 0, 1), 2);
  EXPECT_EQ(cell(0.5, 0, 0), -1);
  EXPECT_THROW(cell(0.5, 1, 1), Error);
  for (int i = 0; i < 10; ++i) reweighter.add(cell(0.5, 1, 0), 1);
  reweighter.add(cell(1.5, 1, 0), 1);
  reweighter.add(cell(0.5, 0, 1), 1);
  reweighter.finish();
  EXPECT_NEAR(reweighter.factor(0) * 10, reweighter.factor(1), 1e-12);
  EXPECT_NEAR(reweighter.factor(2), 3 * reweighter.factor(1), 1e-12);
}

TEST(Reweighter, BoundsLargeFactors) {
  Reweighter capped(read("reweighting: {bins: {x: [0, 1, 2]}, max_factor: 2}"));
  for (int i = 0; i < 99; ++i) capped.add(0, 1);
  capped.add(1, 1);
  capped.finish();
  EXPECT_EQ(capped.factor(1), 2);
  EXPECT_EQ(capped.num_capped(), 1);
  Reweighter filled(read("reweighting: {bins: {x: [0, 1, 2]}, min_jets: 33}"));
  for (int i = 0; i < 99; ++i) filled.add(0, 1);
  filled.add(1, 1);
  filled.finish();
  EXPECT_NEAR(filled.factor(1), 3 * filled.factor(0), 1e-12);
}

TEST(Reweighter, PutsEdgesIntoTheBinAbove) {
  const Reweighter reweighter(read("reweighting: {bins: {x: [0, 1, 2]}}"));
  const auto cell = [&](double x) { return reweighter.cell(std::span(&x, 1), {}); };
  EXPECT_EQ(cell(0), 0);
  EXPECT_EQ(cell(1), 1);
  EXPECT_EQ(cell(2), -1);
  EXPECT_EQ(cell(std::nan("")), -1);
}

TEST(Reweighter, NeedsJetsWhereTheTargetIs) {
  Reweighter reweighter(read("reweighting: {bins: {x: [0, 1, 2]}, target: [0, 1]}"));
  reweighter.add(0, 1);
  EXPECT_THROW(reweighter.finish(), Error);
}

TEST(ReweightRules, NamesTheFieldThatIsWrong) {
  EXPECT_TRUE(read("{}").empty());
  EXPECT_THAT(error_of("{target: flat}"), HasSubstr("reweighting.bins must give"));
  EXPECT_THAT(error_of("{bins: {x: [1, 0]}}"), HasSubstr("ascending"));
  EXPECT_THAT(error_of("{bins: {x: [0, 1], y: [0, 1], z: [0, 1]}}"), HasSubstr("one or two"));
  EXPECT_THAT(error_of("{bins: {x + : [0, 1]}}"), HasSubstr("cannot understand"));
  EXPECT_THAT(error_of("{bins: {x: [0, 1, 2]}, target: [1]}"), HasSubstr("1 numbers for 2 bins"));
  EXPECT_THAT(error_of("{bins: {x: [0, 1]}, target: [-1]}"), HasSubstr("not negative"));
  EXPECT_THAT(error_of("{bins: {x: [0, 1]}, outside: away}"), HasSubstr("drop or keep"));
  EXPECT_THAT(error_of("{bins: {x: [0, 1]}, max_factor: 0.5}"), HasSubstr("at least 1"));
  EXPECT_THAT(error_of("{bins: {x: [0, 1]}, splits: [test]}"), HasSubstr("train"));
  EXPECT_THAT(error_of("{bins: {x: [0, 1]}, class_weights: {a: 1}}"), HasSubstr("no class"));
  for (const char* const weight : {"", "'1, 2'", "[1]", "heavy", "'}'"}) {
    const std::string rules = "{bins: {x: [0, 1]}, classes: {a: x < 1}, class_weights: {a: ";
    EXPECT_THAT(error_of(rules + weight + "}}"), HasSubstr("class_weights.a must be a number"))
        << weight;
  }
}

}  // namespace
}  // namespace jetcal::data
