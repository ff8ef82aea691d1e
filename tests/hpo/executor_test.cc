// SPDX-License-Identifier: Apache-2.0
#include "jetcal/hpo/executor.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <filesystem>
#include <fstream>
#include <memory>
#include <nlohmann/json.hpp>
#include <thread>

#include "jetcal/base/error.h"
#include "jetcal/base/files.h"
#include "jetcal/base/temporary_folder.h"
#include "jetcal/hpo/exchange.h"
#include "jetcal/hpo/trial_process.h"

namespace jetcal::hpo {
namespace {

namespace fs = std::filesystem;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

// Proposes trials with the budget 2, and lets each that is paused go on to 4.
class TwoRungs : public Algorithm {
 public:
  std::optional<Proposal> propose(const History& history) override {
    for (const Trial& trial : history.trials) {
      if (trial.state != TrialState::Paused) continue;
      return Proposal{.resume = trial.number, .values = {}, .budget = 4, .last = true};
    }
    const double x = static_cast<double>(history.trials.size()) / 10;
    return Proposal{.resume = {}, .values = {{"x", x}}, .budget = 2, .last = false};
  }
};

class ExecutorTest : public ::testing::Test {
 protected:
  void SetUp() override {
    Parameter x;
    x.name = "x";
    definition_.space = SearchSpace({x});
    definition_.objectives = {{"loss", false}};
    definition_.limits.trials = 3;
    options_.output = folder_;
    options_.retry_seconds = 0.05;
    options_.grace_seconds = 0.3;
  }

  // A program for the shell; {x}, {budget} and {folder} are put in.
  static TrialProgram shell(const std::string& text) {
    return [text](const Trial& trial, const TrialPlace& place) {
      TrialStep step;
      step.arguments = {"/bin/sh", "-c", text};
      step.environment = {{"X", to_string(trial.values.at("x"))},
                          {"BUDGET", std::to_string(place.budget)},
                          {"FOLDER", place.folder.string()}};
      return std::vector<TrialStep>{step};
    };
  }
  ExecutorResult run(const TrialProgram& program, Algorithm* algorithm = nullptr) {
    StudyStore store = StudyStore::create(folder_ / "study.db", definition_);
    const auto random = make_algorithm("random", {}, definition_.space, definition_.objectives, 1);
    const ExecutorResult result =
        run_study(store, algorithm != nullptr ? *algorithm : *random, nullptr, program, options_);
    return result;
  }
  StudyStore read() const { return StudyStore::read(folder_ / "study.db"); }

  const TemporaryFolder temporary_;
  const fs::path folder_ = temporary_ / "study";
  StudyDefinition definition_;
  ExecutorOptions options_;
};

bool is_alive(pid_t process) { return ::kill(process, 0) == 0; }

pid_t process_in(const fs::path& path) {
  for (int i = 0; i < 1000; ++i) {
    pid_t process = 0;
    if (std::ifstream(path) >> process) return process;
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  }
  return 0;
}

bool ends(pid_t process) {
  for (int i = 0; i < 500 && is_alive(process); ++i)
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  return !is_alive(process);
}

TEST_F(ExecutorTest, RunsTrialsAndReadsTheirMetrics) {
  const ExecutorResult result =
      run(shell("echo epoch=1 loss=3; echo epoch=2 loss=1; "
                "echo epoch=3 loss=2; echo not a metric"));
  EXPECT_EQ(result.complete, 3);
  const StudyStore store = read();
  ASSERT_EQ(store.history().trials.size(), 3U);
  EXPECT_THAT(store.history().trials[0].objectives, ElementsAre(2));
  EXPECT_EQ(store.history().trials[2].course.size(), 3U);
}

TEST_F(ExecutorTest, BestOutcomeIsTheLowestReport) {
  definition_.outcome = ReportChoice::Best;
  run(shell("echo loss=3; echo loss=1; echo loss=2"));
  EXPECT_THAT(read().history().trials[0].objectives, ElementsAre(1));
  EXPECT_EQ(read().history().trials[0].course.back().resource, 3);
}

TEST_F(ExecutorTest, RetriesAndSaysWhyATrialFailed) {
  options_.retries = 2;
  definition_.limits.trials = 1;
  const ExecutorResult result = run(shell("echo attempt; echo it broke >&2; exit 3"));
  EXPECT_EQ(result.retried, 2);
  EXPECT_EQ(result.failed, 1);
  const StudyStore store = read();
  EXPECT_EQ(store.history().trials[0].state, TrialState::Failed);
  EXPECT_EQ(store.records()[0].attempts, 3);
  EXPECT_THAT(store.records()[0].error, HasSubstr("status 3"));
  EXPECT_THAT(store.records()[0].error, HasSubstr("it broke"));
  EXPECT_EQ(read_file(folder_ / "trials/00000/output.log"), "attempt\nattempt\nattempt\n");
}

TEST_F(ExecutorTest, LastWordsThatAreNoTextCanBeExported) {
  options_.retries = 0;
  definition_.limits.trials = 1;
  run(shell("printf 'Gr\\366\\337e' >&2; exit 3"));  // Latin-1
  const StudyStore store = read();
  EXPECT_THAT(store.records()[0].error, HasSubstr("Gr\xEF\xBF\xBD"));
  EXPECT_THAT(to_json(store).dump(), HasSubstr("status 3"));
  EXPECT_THAT(to_optuna_journal(store), HasSubstr("status 3"));
}

TEST_F(ExecutorTest, TrialWithoutResultFails) {
  options_.retries = 0;
  definition_.limits.trials = 1;
  run(shell("echo loss=nan"));
  EXPECT_THAT(read().records()[0].error, HasSubstr("'loss'"));
}

TEST_F(ExecutorTest, PausedTrialGoesOnWhereItStopped) {
  options_.program_knows_budget = true;
  // A program with a checkpoint: counts in a file up to its budget.
  TwoRungs algorithm;
  const ExecutorResult result =
      run(shell("cd $FOLDER; n=$(cat state 2>/dev/null || echo 0); "
                "while [ $n -lt $BUDGET ]; do n=$((n+1)); echo $n > state; echo epoch=$n loss=$n; "
                "done"),
          &algorithm);
  EXPECT_EQ(result.paused, 3);
  EXPECT_EQ(result.complete, 3);
  const StudyStore store = read();
  for (const Trial& trial : store.history().trials) {
    EXPECT_EQ(trial.state, TrialState::Complete);
    EXPECT_EQ(trial.course.size(), 4U);
    EXPECT_EQ(read_file(trial_folder(folder_, trial.number) / "output.log"),
              "epoch=1 loss=1\nepoch=2 loss=2\nepoch=3 loss=3\nepoch=4 loss=4\n");
  }
}

TEST_F(ExecutorTest, ProgramThatKnowsNoBudgetIsEndedFromOutside) {
  definition_.limits.trials = 1;
  TwoRungs algorithm;
  run(shell("n=0; while true; do n=$((n+1)); echo epoch=$n loss=$n; sleep 0.05; done"), &algorithm);
  const Trial trial = read().history().trials[0];
  EXPECT_EQ(trial.state, TrialState::Complete);
  EXPECT_GE(trial.course.back().resource, 4);
}

TEST_F(ExecutorTest, MeasurementOfATrialAtItsBudgetIsNotCutShort) {
  definition_.limits.trials = 1;
  definition_.objectives = {{"loss", false}, {"latency", false}};
  definition_.constraints = {{"size", 9}};
  options_.retries = 0;
  TwoRungs algorithm;
  run(
      [](const Trial&, const TrialPlace&) {
        TrialStep train, measure;
        train.arguments = {
            "/bin/sh", "-c",
            "n=0; while true; do n=$((n+1)); echo epoch=$n loss=$n; sleep 0.05; done"};
        measure.arguments = {"/bin/sh", "-c", "echo latency=1; sleep 0.3; echo size=5"};
        measure.label = "measure";
        return std::vector<TrialStep>{train, measure};
      },
      &algorithm);
  const StudyStore store = read();
  EXPECT_EQ(store.history().trials[0].state, TrialState::Complete) << store.records()[0].error;
  EXPECT_THAT(store.history().trials[0].constraints, ElementsAre(-4));
}

TEST_F(ExecutorTest, ProgramWhoseLossIsNoNumberIsEndedAtItsBudgetToo) {
  definition_.limits.trials = 1;
  options_.retries = 0;
  options_.minutes = 10.0 / 60;  // of an attempt; reached by one that nobody ends
  TwoRungs algorithm;
  const ExecutorResult result =
      run(shell("n=0; while true; do n=$((n+1)); echo epoch=$n loss=nan; sleep 0.05; done"),
          &algorithm);
  EXPECT_EQ(result.paused, 1);
  EXPECT_THAT(read().records()[0].error, HasSubstr("without a finite value of 'loss'"));
}

TEST_F(ExecutorTest, LimitsOfTimeAndMemory) {
  options_.retries = 0;
  definition_.limits.trials = 1;
  options_.minutes = 0.5 / 60;
  run(shell("trap '' TERM; sleep 60 & wait"));  // must be killed
  EXPECT_THAT(read().records()[0].error, HasSubstr("longer than"));
  fs::remove_all(folder_);
  options_.minutes = 0;
  options_.memory_mb = 60;
  run(shell("exec python3 -c 'import time; x = bytearray(150000000); time.sleep(60)'"));
  EXPECT_THAT(read().records()[0].error, HasSubstr("memory"));
}

TEST_F(ExecutorTest, StopSendsTheTrialBackToTheQueue) {
  definition_.limits.trials = 1;
  StudyStore store = StudyStore::create(folder_ / "study.db", definition_);
  const auto random = make_algorithm("random", {}, definition_.space, definition_.objectives, 1);
  ExecutorHooks hooks;
  hooks.should_stop = [&] { return fs::exists(folder_ / "trials/00000/output.log"); };
  const ExecutorResult result =
      run_study(store, *random, nullptr, shell("sleep 60"), options_, hooks);
  EXPECT_TRUE(result.cut_off);
  EXPECT_EQ(read().history().trials[0].state, TrialState::Waiting);
  EXPECT_EQ(read().records()[0].failures, 0);
}

TEST_F(ExecutorTest, TrialStoppedBeforeItsMeasurementIsMeasuredLater) {
  definition_.limits.trials = 1;
  definition_.constraints = {{"latency", 2}};
  options_.retries = 0;
  options_.program_tells_cut = true;
  StudyStore store = StudyStore::create(folder_ / "study.db", definition_);
  const auto random = make_algorithm("random", {}, definition_.space, definition_.objectives, 1);
  const TrialProgram program = [](const Trial&, const TrialPlace& place) {
    const std::string folder = place.folder.string();
    TrialStep train, measure;
    train.arguments = {"/bin/sh", "-c",
                       "cd " + folder +
                           "; echo epoch=1 loss=1; test -e begun && exit 0; "
                           "trap 'exit 0' TERM; touch begun; sleep 60 & wait"};
    measure.arguments = {"/bin/sh", "-c", "echo latency=1"};
    measure.label = "measure";
    return std::vector<TrialStep>{train, measure};
  };
  ExecutorHooks hooks;
  hooks.should_stop = [&] { return fs::exists(folder_ / "trials/00000/begun"); };
  run_study(store, *random, nullptr, program, options_, hooks);
  EXPECT_EQ(read().history().trials[0].state, TrialState::Waiting);
  EXPECT_EQ(read().records()[0].failures, 0);
  run_study(store, *random, nullptr, program, options_);
  EXPECT_EQ(read().history().trials[0].state, TrialState::Complete);
  EXPECT_THAT(read().history().trials[0].constraints, ElementsAre(-1));
}

// kill -9 of the tuner: its trials' processes must go, those that left their group included.
TEST_F(ExecutorTest, NothingOutlivesAKilledTuner) {
  definition_.limits.trials = 1;
  const pid_t tuner = ::fork();
  if (tuner == 0) {
    run(
        shell("setsid sh -c 'echo $$ > $FOLDER/far; sleep 60' & "
              "sh -c 'echo $$ > $FOLDER/near; trap \"\" TERM; sleep 60' & wait"));
    ::_exit(0);
  }
  const pid_t far = process_in(folder_ / "trials/00000/far");
  const pid_t near = process_in(folder_ / "trials/00000/near");
  ASSERT_GT(far, 0);
  ASSERT_GT(near, 0);
  ::kill(tuner, SIGKILL);
  ::waitpid(tuner, nullptr, 0);
  EXPECT_TRUE(ends(far));
  EXPECT_TRUE(ends(near));
  const ExecutorResult result = run(shell("echo loss=1"));
  EXPECT_EQ(result.complete, 1);
  EXPECT_EQ(read().records()[0].attempts, 2);
}

TEST_F(ExecutorTest, CoresAreNotSharedBetweenTuners) {
  fs::create_directories(folder_);
  const std::vector<int> cores = usable_cores();
  MachineShare first(folder_ / "locks", 1, 0, {}), second(folder_ / "locks", 1, 0, {});
  std::vector<Share> taken;
  while (auto share = (taken.size() % 2 == 0 ? first : second).take()) taken.push_back(*share);
  std::set<int> different;
  for (const Share& share : taken) different.insert(share.cores.begin(), share.cores.end());
  EXPECT_EQ(taken.size(), cores.size());
  EXPECT_EQ(different.size(), cores.size());
  first.give_back(taken.front());
  EXPECT_TRUE(second.take().has_value());
}

TEST_F(ExecutorTest, GpusAreNamedToTheTrial) {
  definition_.limits.trials = 1;
  options_.gpus = 1;
  options_.gpu_ids = {"7"};
  run(shell("echo loss=$CUDA_VISIBLE_DEVICES"));
  EXPECT_THAT(read().history().trials[0].objectives, ElementsAre(7));
}

}  // namespace
}  // namespace jetcal::hpo
