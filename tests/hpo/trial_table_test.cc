// SPDX-License-Identifier: Apache-2.0
#include "jetcal/hpo/trial_table.h"

#include <gmock/gmock.h>

#include "jetcal/base/error.h"
#include "jetcal/base/random.h"
#include "jetcal/hpo/study_numbers.h"

namespace jetcal::hpo {
namespace {

using testing::ElementsAre;

TEST(TrialTable, SplitsQuotesLineEndsAndTheByteOrderMark) {
  const auto rows = split_csv(
      "\xEF\xBB\xBF"
      "a,\"b,\"\"c\"\"\"\r\n\r\n1,\"two\nlines\"",
      "t");
  ASSERT_EQ(rows.size(), 2U);
  EXPECT_THAT(rows[0], ElementsAre("a", "b,\"c\""));
  EXPECT_THAT(rows[1], ElementsAre("1", "two\nlines"));
}

TEST(TrialTable, HostileBytesEndInAnErrorOrATable) {
  Rng rng(5);
  const std::string start = "name,status,loss,x\n";
  for (int round = 0; round < 2000; ++round) {
    std::string text = start;
    for (int i = 0; i < 40; ++i) text += "ab,\"\n\r1.9e-\\\0\xff"[rng.below(15)];
    try {
      EXPECT_EQ(parse_trial_csv(text, "t").metrics.size(), 1U);
    } catch (const Error& error) {
      EXPECT_NE(error.code(), ErrorCode::Internal) << error.what();
    }
  }
}

TEST(TrialTable, ReadsBackWhatItWrites) {
  const std::string text =
      "Trial name,Status,Loss,Mse,Layers,Rate,Optimizer\n"
      "a,Succeeded,0.5,1,3,1e-05,\"ada,m\"\n"
      "b,Failed,,,4,0.25,sgd\n";
  const TrialTable table = parse_trial_csv(text, "t");
  const TrialTable again = parse_trial_csv(format_trial_csv(table), "t");
  ASSERT_EQ(again.trials.size(), 2U);
  EXPECT_EQ(again.trials[0].values, table.trials[0].values);
  EXPECT_EQ(again.trials[1].state, TrialState::Failed);
  EXPECT_EQ(again.trials[0].metrics.at("value"), 0.5);
  EXPECT_EQ(again.trials[0].metrics.at("Mse"), 1);
  EXPECT_FALSE(again.trials[1].metrics.contains("value"));
}

TEST(TrialTable, ColumnsHaveTheKindThatTheyShow) {
  const TrialTable table = parse_trial_csv(
      "name,loss,layers,seed,rate,optimizer\na,1,2,100000,0.5,x\nb,2,3,7,2,y\n", "t");
  ASSERT_EQ(table.parameters.size(), 4U);
  EXPECT_EQ(table.parameters[0].kind, Parameter::Kind::Discrete);
  EXPECT_EQ(table.parameters[2].kind, Parameter::Kind::Float);
  EXPECT_EQ(table.parameters[3].kind, Parameter::Kind::Categorical);
  EXPECT_EQ(std::get<double>(table.trials[1].values.at("rate")), 2.0);
}

TEST(StudyNumbers, MoreIsBetterTurnsTheScore) {
  TableOptions options;
  options.maximise = true;
  const TrialTable table =
      parse_trial_csv("name,accuracy,x\na,0.1,1\nb,0.2,2\nc,0.4,3\nd,0.3,4\n", "t", options);
  const StudyNumbers numbers = study_numbers(table);
  EXPECT_EQ(numbers.score, "accuracy");
  EXPECT_NEAR(numbers.numeric.at(0).pearson, 0.8, 1e-12);
  EXPECT_THAT(numbers.best, ElementsAre(2, 3, 1, 0));
}

TEST(StudyNumbers, AMetricThatIsBetterTheMoreIsNeverInverted) {
  TableOptions options;
  options.maximise = true;
  const TrialTable table =
      parse_trial_csv("name,score,x\na,-4,1\nb,-3,2\nc,-2,3\nd,-1,4\n", "t", options);
  EXPECT_NEAR(study_numbers(table).numeric.at(0).pearson, 1, 1e-12);
}

TEST(StudyNumbers, ALossBelowZeroIsTurnedNotInverted) {
  const TrialTable table = parse_trial_csv("name,loss,x\na,-1,1\nb,0,2\nc,3,3\n", "t");
  const StudyNumbers numbers = study_numbers(table);
  EXPECT_EQ(numbers.score, "-loss");
  EXPECT_DOUBLE_EQ(numbers.numeric.at(0).spearman, -1);
}

TEST(StudyNumbers, TheParetoFrontHoldsWhatNothingBeats) {
  TrialTable table = parse_trial_csv(
      "name,loss,latency error,x\na,1,9,1\nb,2,5,2\nc,3,7,3\nd,4,1,4\ne,1,9,5\n", "t");
  table.objectives = {{"loss", false}, {"latency error", false}};
  EXPECT_THAT(study_numbers(table).pareto, ElementsAre(0, 1, 3, 4));
}

TEST(StudyNumbers, WhatBreaksAConstraintIsNotBest) {
  TrialTable table = parse_trial_csv(
      "name,loss,latency error,x\na,1,9,1\nb,2,5,2\nc,3,7,3\nd,4,1,4\ne,1,9,5\n", "t");
  table.objectives = {{"loss", false}, {"latency error", false}};
  for (const std::size_t row : {0, 1}) table.trials[row].feasible = false;
  const StudyNumbers numbers = study_numbers(table);
  EXPECT_THAT(numbers.best, ElementsAre(4, 2, 3, 0, 1));
  EXPECT_THAT(numbers.pareto, ElementsAre(2, 3, 4));
}

}  // namespace
}  // namespace jetcal::hpo
