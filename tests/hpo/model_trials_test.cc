// SPDX-License-Identifier: Apache-2.0
#include "jetcal/hpo/detail/model_trials.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace jetcal::hpo::detail {
namespace {

using testing::ElementsAre;

// Of trials with these losses; below 0 stands for one that failed, 0 for one that runs.
ModelTrials choose(const std::vector<double>& losses, std::size_t most) {
  const Encoding encoding{SearchSpace::from_config(
      Config::parse("parameters: {x: {type: float, low: 0, high: 1}}", "test"), "")};
  const PointTable points(encoding);
  const std::vector<Trial> trials(losses.size());
  std::vector<Standing> standing;
  std::vector<Outcome> outcomes;
  for (const double loss : losses) {
    standing.push_back(loss > 0   ? Standing::Known
                       : loss < 0 ? Standing::Failed
                                  : Standing::Pending);
    outcomes.push_back({{loss}, 0, true, 0});
  }
  return model_trials({trials, points, standing, outcomes, 0}, most);
}

TEST(ModelTrials, AreAllThatEndedWhileThereAreFew) {
  const ModelTrials chosen = choose({3, -1, 0, 2, 1}, 4);
  EXPECT_THAT(chosen.places, ElementsAre(0, 1, 3, 4));
  EXPECT_EQ(chosen.left_out, 0);
}

TEST(ModelTrials, AreTheBestAndTheLatestOfMany) {
  const ModelTrials chosen = choose({1, 9, 2, 8, 7, 0, 3, -1, 6, 5}, 4);
  EXPECT_THAT(chosen.places, ElementsAre(0, 2, 8, 9));
  EXPECT_EQ(chosen.left_out, 5);
}

TEST(ModelTrials, AreAsManyAsAskedForWhereTheBestAreTheLatest) {
  EXPECT_THAT(choose({9, 8, 7, 6, 5, 4}, 4).places, ElementsAre(2, 3, 4, 5));
  EXPECT_THAT(choose({-1, -1, -1, 5, -1, -1}, 4).places, ElementsAre(2, 3, 4, 5));
}

}  // namespace
}  // namespace jetcal::hpo::detail
