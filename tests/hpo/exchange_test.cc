// SPDX-License-Identifier: Apache-2.0
#include "jetcal/hpo/exchange.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <nlohmann/json.hpp>

#include "jetcal/base/error.h"

namespace jetcal::hpo {
namespace {

using ::testing::HasSubstr;

const char* const kJournal =
    R"({"op_code":0,"worker_id":"w","study_name":"a","directions":[1]}
{"op_code":0,"worker_id":"w","study_name":"b","directions":[2,1]}
{"op_code":4,"worker_id":"w","study_id":0,"datetime_start":"2026-11-23T07:38:47.500000+00:00"}
{"op_code":5,"worker_id":"w","trial_id":0,"param_name":"n","param_value_internal":4.0,"distribution":"{\"name\": \"IntDistribution\", \"attributes\": {\"log\": false, \"step\": 1, \"low\": 1, \"high\": 5}}"}
{"op_code":5,"worker_id":"w","trial_id":0,"param_name":"w","param_value_internal":1,"distribution":"{\"name\": \"CategoricalDistribution\", \"attributes\": {\"choices\": [\"adam\", \"sgd\"]}}"}
{"op_code":7,"worker_id":"w","trial_id":0,"step":2,"intermediate_value":0.5}
{"op_code":6,"worker_id":"w","trial_id":0,"state":1,"values":[0.25],"datetime_complete":"2026-11-23T08:38:49.000000+01:00"}
{"op_code":6,"worker_id":"w","trial_id":0,"state":3,"values":null,"datetime_complete":"2026-11-23T09:00:00+00:00"}
)";

TEST(Exchange, JournalIsReplayedAsOptunaDoes) {
  const ImportedStudy study = from_optuna_journal(kJournal, "a");
  ASSERT_EQ(study.trials.size(), 1U);
  const Trial& trial = study.trials[0];
  EXPECT_EQ(trial.state, TrialState::Complete);  // what comes after the end changes nothing
  EXPECT_EQ(std::get<std::int64_t>(trial.values.at("n")), 4);
  EXPECT_EQ(std::get<std::string>(trial.values.at("w")), "sgd");
  EXPECT_EQ(trial.objectives, std::vector<double>{0.25});
  ASSERT_EQ(trial.course.size(), 1U);
  EXPECT_EQ(trial.course[0].resource, 2);
  EXPECT_NEAR(study.records[0].seconds, 1.5, 1e-6);
  EXPECT_FALSE(study.definition.objectives[0].maximise);
}

std::string message_of(const std::string& text, const std::string& name) {
  try {
    from_optuna_journal(text, name);
  } catch (const Error& error) {
    return error.what();
  }
  return "no error";
}

TEST(Exchange, JournalErrorsNameLineAndStudies) {
  EXPECT_THAT(message_of(kJournal, ""), HasSubstr("name one of a, b"));
  EXPECT_THAT(message_of(kJournal, "c"), HasSubstr("it has a, b"));
  EXPECT_THAT(message_of("{\"op_code\":0}\n{}\n", ""), HasSubstr("line 1"));
  EXPECT_THAT(message_of("no json\n{}\n", ""), HasSubstr("line 1"));
  EXPECT_THAT(message_of("", ""), HasSubstr("no study"));
}

// Every prefix of a journal is what a killed writer leaves; none may crash the reader.
TEST(Exchange, CutJournalsAreReadOrRefused) {
  const std::string whole = kJournal;
  for (std::size_t size = 0; size < whole.size(); size += 7) {
    try {
      const ImportedStudy study = from_optuna_journal(whole.substr(0, size), "a");
      EXPECT_LE(study.trials.size(), 1U);
    } catch (const Error&) {  // one sentence
    }
  }
}

StudyDefinition one_number() {
  Parameter x;
  x.name = "x";
  StudyDefinition definition;
  definition.space = SearchSpace({x});
  definition.objectives = {{"loss", false}};
  return definition;
}

// What we write of a study with one trial that waits, its only parameter under this name.
std::string our_journal(const std::string& parameter) {
  using Json = nlohmann::ordered_json;
  const Json study{
      {"op_code", 2}, {"study_id", 0}, {"user_attr", {{"jetcal:study", to_json(one_number())}}}};
  const Json trial{{"op_code", 4},
                   {"study_id", 0},
                   {"datetime_start", nullptr},
                   {"state", 4},
                   {"params", {{parameter, 0.5}}},
                   {"user_attrs", {{"jetcal:state", "waiting"}, {"budget", 3}, {"last", false}}}};
  return R"({"op_code":0,"study_name":"ours","directions":[1]})"
         "\n" +
         study.dump() + "\n" + trial.dump() + "\n";
}

TEST(Exchange, TrialThatOptunaRanSinceHasItsResult) {
  const ImportedStudy waiting = from_optuna_journal(our_journal("x"));
  EXPECT_EQ(waiting.trials.at(0).state, TrialState::Waiting);
  EXPECT_EQ(waiting.trials.at(0).budget, 3);
  EXPECT_FALSE(waiting.records.at(0).last);
  const ImportedStudy run = from_optuna_journal(
      our_journal("x") +
      R"({"op_code":6,"trial_id":0,"state":1,"values":[0.25],"datetime_complete":null})");
  EXPECT_EQ(run.trials.at(0).state, TrialState::Complete);
  EXPECT_EQ(run.trials.at(0).objectives, std::vector<double>{0.25});
}

TEST(Exchange, ParameterThatTheStudyLacksIsNamed) {
  EXPECT_THAT(message_of(our_journal("y"), ""), HasSubstr("has the parameter 'y'"));
}

TEST(Exchange, TableColumnsMatchTheSpaceOfThePaper) {
  const TrialTable table = parse_trial_csv(
      "Trial name,Status,Avg loss,Num conv layers,Conv dim,Num fc layers,Fc dim,Dropout,Start "
      "lr,Optimizer\n"
      "t1,Succeeded,0.089,2,100,1,200,0.3,5e-4,adamW\n"
      "t2,Failed,,5,50,3,400,0.01,1e-3,ranger\n",
      "table.csv");
  StudyDefinition definition;
  definition.space = SearchSpace::preset("paper-pfn");
  definition.objectives = {{"validation_loss", false}};
  const ImportedStudy study = from_table(table, definition);
  ASSERT_EQ(study.trials.size(), 2U);
  EXPECT_EQ(std::get<std::int64_t>(study.trials[0].values.at("particle_units")), 100);
  EXPECT_EQ(std::get<std::string>(study.trials[0].values.at("optimizer")), "adamw");
  EXPECT_EQ(study.trials[0].objectives, std::vector<double>{0.089});
  EXPECT_EQ(study.trials[1].state, TrialState::Failed);
}

TEST(Exchange, TableKeepsTwoObjectivesAndConstraints) {
  StudyDefinition definition = one_number();
  definition.objectives.push_back({"latency", false});
  definition.constraints = {{"size", 9}};
  const std::string text =
      "number,values_0,values_1,params_x,user_attrs_size,state\n"
      "0,0.1,5,0.25,10,COMPLETE\n"
      "1,0.2,4,0.5,,COMPLETE\n";
  TableOptions options;
  options.also_metrics = {"loss", "latency", "size"};
  const ImportedStudy study = from_table(parse_trial_csv(text, "table.csv", options), definition);
  EXPECT_EQ(study.trials.at(0).objectives, (std::vector<double>{0.1, 5}));
  EXPECT_EQ(study.trials.at(0).constraints, std::vector<double>{1});
  EXPECT_EQ(study.trials.at(1).state, TrialState::Failed);  // it does not say its size
}

TEST(Exchange, TableErrorsNameTheTrial) {
  const TrialTable table =
      parse_trial_csv("Trial name,Avg loss,x\nt1,0.1,7\nt2,0.2,0.5\n", "table.csv");
  try {
    from_table(table, one_number());
    FAIL();
  } catch (const Error& error) {
    EXPECT_THAT(error.what(), HasSubstr("trial t1"));
  }
}

}  // namespace
}  // namespace jetcal::hpo
