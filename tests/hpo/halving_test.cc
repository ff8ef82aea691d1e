// SPDX-License-Identifier: Apache-2.0
// Successive halving, Hyperband and the median rule.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <set>

#include "jetcal/base/random.h"
#include "jetcal/hpo/algorithm.h"
#include "jetcal/hpo/detail/rungs.h"

namespace jetcal::hpo {
namespace {

using testing::ElementsAre;

SearchSpace line() {
  return SearchSpace({{.name = "x", .low = 0, .high = 1, .choices = {}, .condition = {}}});
}

double x_of(const Trial& trial) { return std::get<double>(trial.values.at("x")); }

// Carries out a proposal: epoch by epoch, the loss x + 1 / epoch. Counts every epoch done.
void carry_out(History& history, const Proposal& proposal, std::map<std::int64_t, int>& epochs) {
  if (!proposal.resume) {
    Trial trial;
    trial.number = static_cast<std::int64_t>(history.trials.size());
    trial.values = proposal.values;
    trial.bracket = proposal.bracket;
    history.trials.push_back(trial);
  }
  Trial& trial = history.trials[static_cast<std::size_t>(
      proposal.resume ? *proposal.resume : static_cast<std::int64_t>(history.trials.size()) - 1)];
  if (proposal.resume) {
    ASSERT_EQ(trial.state, TrialState::Paused);
    ASSERT_GT(proposal.budget, trial.budget);
  }
  trial.budget = proposal.budget;
  const std::int64_t from = trial.course.empty() ? 0 : trial.course.back().resource;
  for (std::int64_t epoch = from + 1; epoch <= proposal.budget; ++epoch) {
    trial.course.push_back({epoch, {x_of(trial) + 1 / static_cast<double>(epoch)}});
    ++epochs[trial.number];
  }
  trial.state = proposal.last ? TrialState::Complete : TrialState::Paused;
  if (proposal.last) trial.objectives = trial.course.back().objectives;
}

TEST(RungBudgets, EndAtTheHighestAndStartAtTheLowest) {
  EXPECT_THAT(detail::rung_budgets(1, 27, 3), ElementsAre(1, 3, 9, 27));
  EXPECT_THAT(detail::rung_budgets(1, 50, 3), ElementsAre(1, 2, 6, 17, 50));
  EXPECT_THAT(detail::rung_budgets(5, 50, 3), ElementsAre(6, 17, 50));
  EXPECT_THAT(detail::rung_budgets(4, 27, 3), ElementsAre(4, 9, 27));
  EXPECT_THAT(detail::rung_budgets(10, 10, 3), ElementsAre(10));
}

class Halving : public testing::TestWithParam<std::string> {};

TEST_P(Halving, ResumesTheBestAndRepeatsNoEpoch) {
  const auto algorithm = make_algorithm(GetParam(), {{"min_resource", "1"}, {"max_resource", "27"}},
                                        line(), {{"loss", false}}, 3);
  History history{{{"loss", false}}, {}};
  std::map<std::int64_t, int> epochs;
  int resumed = 0;
  for (int i = 0; true; ++i) {
    const std::optional<Proposal> proposal = algorithm->propose(history);
    ASSERT_TRUE(proposal);
    if (i >= 300 && !proposal->resume) break;  // all that earned it have gone on
    resumed += proposal->resume ? 1 : 0;
    carry_out(history, *proposal, epochs);
  }
  EXPECT_GT(resumed, 50);
  int complete = 0;
  for (const Trial& trial : history.trials) {
    EXPECT_EQ(epochs[trial.number], trial.budget);
    complete += trial.state == TrialState::Complete ? 1 : 0;
  }
  EXPECT_GE(complete, 5);
  // No bracket lets a trial pass that a third of its rung beats.
  std::map<std::int64_t, std::vector<double>> stayed, passed;
  for (const Trial& trial : history.trials) {
    if (trial.bracket != 0) continue;
    (trial.budget > 1 ? passed : stayed)[0].push_back(x_of(trial));
  }
  std::vector<double> all = stayed[0];
  all.insert(all.end(), passed[0].begin(), passed[0].end());
  std::sort(all.begin(), all.end());
  std::sort(passed[0].begin(), passed[0].end());
  ASSERT_FALSE(passed[0].empty());
  const std::size_t third = all.size() / 3;
  for (std::size_t i = 0; i < third; ++i)
    EXPECT_TRUE(std::binary_search(passed[0].begin(), passed[0].end(), all[i])) << i;
}

INSTANTIATE_TEST_SUITE_P(Kinds, Halving, testing::Values("asha", "hyperband"),
                         [](const auto& info) { return info.param; });

// After one epoch x = 0.2 looks best, after all 0.8 is. Few complete trials are not enough for a
// model; the many that were looked at after one epoch are, until there are more complete ones.
TEST(Bohb, ComparesLossesAtOneBudget) {
  History history{{{"loss", false}}, {}};
  const auto add = [&](double x, std::int64_t epochs) {
    Trial trial;
    trial.number = static_cast<std::int64_t>(history.trials.size());
    trial.values = {{"x", x}};
    trial.budget = epochs;
    trial.bracket = epochs == 27 ? 3 : 0;
    trial.state = epochs == 27 ? TrialState::Complete : TrialState::Stopped;
    trial.course.push_back({1, {1 + (x - 0.2) * (x - 0.2)}});
    if (epochs > 1) trial.course.push_back({epochs, {(x - 0.8) * (x - 0.8)}});
    if (epochs == 27) trial.objectives = trial.course.back().objectives;
    history.trials.push_back(trial);
  };
  const auto near = [&](double center, const std::string& random_share = "0") {
    int count = 0;
    for (std::uint64_t seed = 0; seed < 40; ++seed) {
      const auto bohb =
          make_algorithm("bohb", {{"max_resource", "27"}, {"random_share", random_share}}, line(),
                         {{"loss", false}}, seed);
      const double x = std::get<double>(bohb->propose(history)->values.at("x"));
      count += std::abs(x - center) < 0.2 ? 1 : 0;
    }
    return count;
  };
  for (int i = 0; i < 40; ++i) add((i * 7 % 40 + 0.5) / 40, 1);
  for (int i = 0; i < 5; ++i) add(0.7 + 0.05 * i, 27);
  EXPECT_GE(near(0.2), 30);
  for (int i = 0; i < 20; ++i) add((i * 7 % 20 + 0.3) / 20, 27);
  EXPECT_GE(near(0.8), 30);
  EXPECT_LE(near(0.8, "1"), 25);
}

TEST(Hyperband, HasAsManyBracketsAsAskedFor) {
  const auto starts = [](const Settings& settings) {
    const auto hyperband = make_algorithm("hyperband", settings, line(), {{"loss", false}}, 1);
    History history{{{"loss", false}}, {}};
    std::map<std::int64_t, int> epochs;
    std::set<std::int64_t> budgets;
    for (int i = 0; i < 100; ++i) {
      const std::optional<Proposal> proposal = hyperband->propose(history);
      if (!proposal->resume) budgets.insert(proposal->budget);
      carry_out(history, *proposal, epochs);
    }
    return budgets;
  };
  EXPECT_THAT(starts({{"max_resource", "27"}}), ElementsAre(1, 3, 9, 27));
  EXPECT_THAT(starts({{"max_resource", "27"}, {"brackets", "2"}}), ElementsAre(1, 3));
  EXPECT_THAT(starts({{"max_resource", "27"}, {"brackets", "9"}}), ElementsAre(1, 3, 9, 27));
}

TEST(Asha, PromotesAmongThreeAndWaitsForNobody) {
  const auto asha = make_algorithm("asha", {{"max_resource", "9"}}, line(), {{"loss", false}}, 1);
  History history{{{"loss", false}}, {}};
  std::map<std::int64_t, int> epochs;
  for (int i = 0; i < 3; ++i) {
    const auto proposal = asha->propose(history);
    ASSERT_TRUE(proposal);
    EXPECT_FALSE(proposal->resume);
    EXPECT_EQ(proposal->budget, 1);
    EXPECT_FALSE(proposal->last);
    carry_out(history, *proposal, epochs);
  }
  const auto promoted = asha->propose(history);
  ASSERT_TRUE(promoted && promoted->resume);
  const auto best =
      std::min_element(history.trials.begin(), history.trials.end(),
                       [](const Trial& a, const Trial& b) { return x_of(a) < x_of(b); });
  EXPECT_EQ(*promoted->resume, best->number);
  EXPECT_EQ(promoted->budget, 3);
  // While it runs, a new trial starts.
  Trial& runs = history.trials[static_cast<std::size_t>(*promoted->resume)];
  runs.state = TrialState::Running;
  runs.budget = 3;
  EXPECT_FALSE(asha->propose(history)->resume);
}

TEST(Asha, AFailedTrialOfARungHoldsNobodyUp) {
  const auto asha = make_algorithm("asha", {{"max_resource", "9"}}, line(), {{"loss", false}}, 1);
  History history{{{"loss", false}}, {}};
  std::map<std::int64_t, int> epochs;
  for (int i = 0; i < 4; ++i) carry_out(history, *asha->propose(history), epochs);
  for (Trial& trial : history.trials)
    if (trial.budget == 3) trial.state = TrialState::Failed;
  for (int i = 0; i < 10; ++i) carry_out(history, *asha->propose(history), epochs);
  EXPECT_TRUE(std::any_of(history.trials.begin(), history.trials.end(), [](const Trial& trial) {
    return trial.budget > 1 && trial.state != TrialState::Failed;
  }));
}

TEST(Hyperband, SharesNewTrialsAsThePublishedBracketsDo) {
  const auto hyperband =
      make_algorithm("hyperband", {{"max_resource", "27"}}, line(), {{"loss", false}}, 1);
  History history{{{"loss", false}}, {}};
  std::map<std::int64_t, int> epochs, starts;
  for (int i = 0; i < 600; ++i) {
    const auto proposal = hyperband->propose(history);
    if (!proposal->resume) ++starts[proposal->bracket];
    carry_out(history, *proposal, epochs);
  }
  ASSERT_EQ(starts.size(), 4U);
  const double total = starts[0] + starts[1] + starts[2] + starts[3];
  EXPECT_NEAR(starts[0] / total, 27.0 / 49, 0.03);
  EXPECT_NEAR(starts[1] / total, 12.0 / 49, 0.03);
  EXPECT_NEAR(starts[2] / total, 6.0 / 49, 0.03);
  EXPECT_NEAR(starts[3] / total, 4.0 / 49, 0.03);
}

Trial with_course(std::int64_t number, TrialState state, std::vector<double> losses) {
  Trial trial;
  trial.number = number;
  trial.state = state;
  for (std::size_t i = 0; i < losses.size(); ++i)
    trial.course.push_back({static_cast<std::int64_t>(i) + 1, {losses[i]}});
  return trial;
}

TEST(MedianRule, StopsWhatIsWorseThanTheMedianOfAverages) {
  History history{{{"loss", false}}, {}};
  history.trials = {with_course(0, TrialState::Complete, {4, 3, 2, 1, 1}),
                    with_course(1, TrialState::Complete, {5, 4, 3, 2, 2}),
                    with_course(2, TrialState::Complete, {6, 5, 4, 3, 3})};
  const auto rule = make_early_stopping("median", {}, history.objectives);
  // At resource 4 the averages are 2.5, 3.5 and 4.5.
  EXPECT_TRUE(rule->should_stop(history, with_course(3, TrialState::Running, {9, 8, 7, 3.6})));
  EXPECT_FALSE(rule->should_stop(history, with_course(3, TrialState::Running, {9, 8, 7, 3.4})));
  EXPECT_FALSE(rule->should_stop(history, with_course(3, TrialState::Running, {9, 3.4, 7, 9})));
  EXPECT_FALSE(rule->should_stop(history, with_course(3, TrialState::Running, {9, 9, 9})));
  history.trials.pop_back();
  EXPECT_FALSE(rule->should_stop(history, with_course(3, TrialState::Running, {9, 9, 9, 9})));
}

TEST(MedianRule, TurnsRoundWhereMoreIsBetter) {
  History history{{{"accuracy", true}}, {}};
  for (int i = 0; i < 3; ++i)
    history.trials.push_back(with_course(i, TrialState::Complete, {0.5, 0.5, 0.5, 0.5}));
  const auto rule = make_early_stopping("median", {}, history.objectives);
  EXPECT_TRUE(
      rule->should_stop(history, with_course(3, TrialState::Running, {0.4, 0.4, 0.4, 0.4})));
  EXPECT_FALSE(
      rule->should_stop(history, with_course(3, TrialState::Running, {0.6, 0.4, 0.4, 0.4})));
}

TEST(MedianRule, RefusesOtherNamesAndSettings) {
  EXPECT_THROW(make_early_stopping("mean", {}, {{"loss", false}}), Error);
  EXPECT_THROW(make_early_stopping("median", {{"min_trials", "0"}}, {{"loss", false}}), Error);
  EXPECT_THROW(make_early_stopping("median", {}, {{"loss", false}, {"time", false}}), Error);
}

}  // namespace
}  // namespace jetcal::hpo
