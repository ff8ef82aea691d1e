// SPDX-License-Identifier: Apache-2.0
#include "jetcal/hpo/pareto.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <limits>

#include "jetcal/base/random.h"

namespace jetcal::hpo {
namespace {

using testing::ElementsAre;

Trial complete(std::int64_t number, std::vector<double> objectives,
               std::vector<double> constraints = {}) {
  Trial trial;
  trial.number = number;
  trial.state = TrialState::Complete;
  trial.objectives = std::move(objectives);
  trial.constraints = std::move(constraints);
  return trial;
}

TEST(Pareto, FrontHoldsWhatNothingDominates) {
  const History history{
      {{"loss", false}, {"rate", true}},
      {complete(0, {1, 10}), complete(1, {0.5, 5}), complete(2, {2, 9}), complete(3, {0.2, 1}),
       complete(4, {0.1, 20}, {0.5}), complete(5, {0.5, 5}), complete(6, {std::nan(""), 50})}};
  // 2 is dominated by 0, 4 breaks its constraint, 5 repeats 1, 6 has no loss.
  EXPECT_THAT(pareto_front(history), ElementsAre(3, 1, 0));
}

TEST(Pareto, FrontOfOneObjectiveIsTheBestTrial) {
  const History history{
      {{"accuracy", true}},
      {complete(0, {0.5}), complete(1, {0.9}), complete(2, {0.9}), complete(3, {0.7})}};
  EXPECT_THAT(pareto_front(history), ElementsAre(1));
}

TEST(Pareto, LayersMatchPeelingFrontsOneByOne) {
  Rng rng(3);
  std::vector<std::vector<double>> points(120);
  for (auto& point : points)
    point = {std::floor(rng.uniform() * 12), std::floor(rng.uniform() * 12)};
  std::vector<int> peeled(points.size(), -1);
  for (int layer = 0; std::count(peeled.begin(), peeled.end(), -1) > 0; ++layer) {
    std::vector<std::size_t> front;
    for (std::size_t i = 0; i < points.size(); ++i) {
      bool dominated = peeled[i] >= 0;
      for (std::size_t j = 0; j < points.size(); ++j)
        dominated = dominated || (peeled[j] < 0 && dominates(points[j], points[i]));
      if (!dominated) front.push_back(i);
    }
    for (const std::size_t i : front) peeled[i] = layer;
  }
  EXPECT_EQ(domination_layers(points), peeled);
}

TEST(Pareto, HypervolumeOfThreeSteps) {
  EXPECT_DOUBLE_EQ(hypervolume({{1, 3}, {2, 2}, {3, 1}}, {4, 4}), 6);
  EXPECT_DOUBLE_EQ(hypervolume({{1, 3}, {2, 2}, {2.5, 2.5}, {3, 1}, {9, 0}}, {4, 4}), 6);
  EXPECT_EQ(hypervolume({}, {1, 1}), 0);
}

TEST(Pareto, OrderPutsConstraintsBeforeLossAndCompleteBeforeStopped) {
  std::vector<Outcome> outcomes(5);
  outcomes[0] = {{3}, 0, true, 0};
  outcomes[1] = {{1}, 2, true, 0};
  outcomes[2] = {{0}, 0, false, 4};
  outcomes[3] = {{5}, 0, false, 9};
  outcomes[4] = {{2}, 0, true, 0};
  EXPECT_THAT(order_of(outcomes), ElementsAre(4, 0, 3, 2, 1));
}

TEST(Pareto, StandingTellsWhatATrialTeaches) {
  Trial trial;
  for (const TrialState state : {TrialState::Waiting, TrialState::Running}) {
    trial.state = state;
    EXPECT_EQ(standing_of(trial), Standing::Pending);
  }
  trial.state = TrialState::Stopped;
  EXPECT_EQ(standing_of(trial), Standing::Failed);
  trial.course.push_back({3, {0.5}});
  EXPECT_EQ(standing_of(trial), Standing::Known);
  EXPECT_EQ(outcome_of(trial, {{"a", true}}).losses[0], -0.5);
  trial.state = TrialState::Complete;
  trial.objectives = {std::numeric_limits<double>::infinity()};
  EXPECT_EQ(standing_of(trial), Standing::Failed);
}

}  // namespace
}  // namespace jetcal::hpo
