// SPDX-License-Identifier: Apache-2.0
#include "jetcal/hpo/importance.h"

#include <gmock/gmock.h>

#include <cmath>
#include <functional>

#include "jetcal/base/error.h"
#include "jetcal/base/random.h"
#include "jetcal/hpo/detail/partition_tree.h"

namespace jetcal::hpo {
namespace {

constexpr int kTrials = 400;

TrialTable random_table(const std::function<double(double, double, const std::string&)>& f) {
  TrialTable table;
  table.source = "test";
  Parameter x, y, kind;
  x.name = "x";
  y.name = "y";
  y.low = 1e-4;
  y.log = true;
  kind.name = "kind";
  kind.kind = Parameter::Kind::Categorical;
  kind.choices = {std::string("a"), std::string("b"), std::string("c")};
  table.parameters = {x, y, kind};
  table.metrics = {"loss"};
  table.objectives = {{"loss", false}};
  Rng rng(7);
  for (int i = 0; i < kTrials; ++i) {
    const double u = rng.uniform(), v = rng.uniform();
    const std::string word(1, static_cast<char>('a' + rng.below(3)));
    TableTrial trial;
    trial.values = {{"x", u}, {"y", std::pow(10, 4 * v - 4)}, {"kind", word}};
    trial.metrics["loss"] = f(u, v, word);
    table.trials.push_back(trial);
  }
  return table;
}

TEST(Fanova, TakesAnAdditiveFunctionApart) {
  // Variances: x 1/12, y 4/12, kind 2/3 of 0.6^2: {0, 0, 0.6} has variance 0.08.
  const TrialTable table = random_table([](double x, double y, const std::string& kind) {
    return x + 2 * y + (kind == "c" ? 0.6 : 0.0);
  });
  const Importance importance = fanova(table, "loss");
  const double total = 1 / 12.0 + 4 / 12.0 + 0.08;
  EXPECT_NEAR(importance.single.at("x"), 1 / 12.0 / total, 0.04);
  EXPECT_NEAR(importance.single.at("y"), 4 / 12.0 / total, 0.06);
  EXPECT_NEAR(importance.single.at("kind"), 0.08 / total, 0.04);
  EXPECT_GT(importance.out_of_bag, 0.9);
}

TEST(Fanova, FindsAnInteraction) {
  // XOR of halves: no parameter alone says anything. A greedy tree finds it by chance cuts.
  const TrialTable table = random_table(
      [](double x, double y, const std::string&) { return (x < 0.5) == (y < 0.5) ? 1.0 : 0.0; });
  const Importance importance = fanova(table, "loss");
  EXPECT_GT(importance.pairs.at("x x y"), 0.5);
  EXPECT_LT(importance.single.at("x") + importance.single.at("y"), 0.2);
}

TEST(Fanova, PartsAddUpToOne) {
  const TrialTable table = random_table([](double x, double y, const std::string& kind) {
    return std::sin(9 * x * y) + (kind == "a" ? x : 0.0);
  });
  const Importance importance = fanova(table, "loss");
  double sum = importance.rest;
  for (const auto& [name, part] : importance.single) sum += part;
  for (const auto& [name, part] : importance.pairs) sum += part;
  EXPECT_NEAR(sum, 1, 1e-6);
}

TEST(Fanova, VarianceOfATreeIsThatOfItsGrid) {
  const TrialTable table =
      random_table([](double x, double y, const std::string&) { return x * y; });
  const detail::UnitTrials trials = detail::unit_trials(table, "loss");
  std::vector<std::size_t> rows(trials.results.size());
  for (std::size_t i = 0; i < rows.size(); ++i) rows[i] = i;
  const auto leaves = detail::grow_tree(trials, rows, 4, 2);
  const detail::Variance variance = detail::take_apart(leaves, trials.axes);
  // The same by drawing points of the cube.
  Rng rng(1);
  double sum = 0, square = 0;
  constexpr int kPoints = 40000;
  for (int i = 0; i < kPoints; ++i) {
    detail::UnitTrials point;
    point.axes = trials.axes;
    for (detail::UnitAxis& axis : point.axes)
      axis.place = {axis.ordered ? rng.uniform() : static_cast<double>(rng.below(axis.levels))};
    int covering = 0;
    for (const detail::Leaf& leaf : leaves) {
      if (!detail::covers(leaf, point, 0)) continue;
      ++covering;
      sum += leaf.value;
      square += leaf.value * leaf.value;
    }
    ASSERT_EQ(covering, 1) << "leaves must cover the cube once";
  }
  const double drawn = square / kPoints - std::pow(sum / kPoints, 2);
  EXPECT_NEAR(variance.total, drawn, 0.05 * drawn);
}

TEST(Fanova, ParametersThatTrialsLackHaveALevelForIt) {
  TrialTable table = random_table([](double x, double, const std::string&) { return x; });
  for (std::size_t i = 0; i < table.trials.size(); i += 2) {
    table.trials[i].values.erase("y");
    table.trials[i].metrics["loss"] += 5;
  }
  EXPECT_GT(fanova(table, "loss").single.at("y"), 0.8);
}

TEST(Fanova, NeedsTrialsWithAResult) {
  TrialTable table = random_table([](double x, double, const std::string&) { return x; });
  table.trials.resize(3);
  EXPECT_THROW(fanova(table, "loss"), Error);
  EXPECT_THROW(ped_anova(table, "loss", false), Error);
}

TEST(PedAnova, SeesWhatTheBestTrialsShare) {
  const TrialTable table = random_table([](double x, double y, const std::string& kind) {
    return std::abs(x - 0.3) + 0.05 * y + (kind == "b" ? 0.0 : 0.02);
  });
  const auto parts = ped_anova(table, "loss", false);
  EXPECT_GT(parts.at("x"), 0.7);
  EXPECT_LT(parts.at("y"), 0.15);
  const auto other_end = ped_anova(table, "loss", true);
  EXPECT_GT(other_end.at("x"), 0.7);
}

}  // namespace
}  // namespace jetcal::hpo
