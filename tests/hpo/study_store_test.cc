// SPDX-License-Identifier: Apache-2.0
#include "jetcal/hpo/study_store.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <cmath>
#include <filesystem>
#include <fstream>
#include <limits>
#include <memory>
#include <set>
#include <thread>

#include "jetcal/base/error.h"
#include "jetcal/base/temporary_folder.h"

namespace jetcal::hpo {
namespace {

namespace fs = std::filesystem;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

class StudyStoreTest : public ::testing::Test {
 protected:
  static StudyDefinition definition(std::int64_t trials = 5) {
    Parameter x;
    x.name = "x";
    StudyDefinition definition;
    definition.space = SearchSpace({x});
    definition.objectives = {{"loss", false}};
    definition.limits.trials = trials;
    return definition;
  }
  fs::path file() const { return folder_ / "study.db"; }
  StudyStore create(std::int64_t trials = 5) const {
    return StudyStore::create(file(), definition(trials));
  }
  static std::unique_ptr<Algorithm> random_search(const StudyDefinition& definition) {
    return make_algorithm("random", {}, definition.space, definition.objectives, definition.seed);
  }

  const TemporaryFolder folder_;
};

std::string message_of(const std::function<void()>& call) {
  try {
    call();
  } catch (const Error& error) {
    return error.what();
  }
  return "no error";
}

TEST_F(StudyStoreTest, GivesEachTrialOnceAndEndsAtTheLimit) {
  StudyStore store = create(3);
  const auto algorithm = random_search(store.definition());
  store.join();
  std::set<std::int64_t> numbers;
  for (int i = 0; i < 3; ++i) {
    const Claim claim = store.claim(*algorithm);
    ASSERT_EQ(claim.kind, Claim::Kind::Run);
    numbers.insert(claim.trial);
  }
  EXPECT_THAT(numbers, ElementsAre(0, 1, 2));
  EXPECT_EQ(store.claim(*algorithm).kind, Claim::Kind::Wait);
  for (const std::int64_t number : numbers) {
    EXPECT_TRUE(store.report(number, {1, {0.5}}, {{"loss", 0.5}}));
    EXPECT_TRUE(store.complete(number, {0.5}));
  }
  EXPECT_EQ(store.claim(*algorithm).kind, Claim::Kind::Done);
}

TEST_F(StudyStoreTest, KeepsEverythingAcrossOpening) {
  {
    StudyStore store = create();
    const auto algorithm = random_search(store.definition());
    store.join();
    store.claim(*algorithm);
    const double nothing = std::numeric_limits<double>::quiet_NaN();
    EXPECT_TRUE(store.report(0, {2, {nothing}}, {{"lr", 0.1}}));
    EXPECT_TRUE(store.report(0, {1, {0.25}}, {{"loss", 0.25}}));
    EXPECT_TRUE(store.complete(0, {0.25}));
  }
  const StudyStore store = StudyStore::read(file());
  ASSERT_EQ(store.history().trials.size(), 1U);
  const Trial& trial = store.history().trials[0];
  EXPECT_EQ(trial.state, TrialState::Complete);
  EXPECT_THAT(trial.objectives, ElementsAre(0.25));
  ASSERT_EQ(trial.course.size(), 2U);
  EXPECT_EQ(trial.course[0].resource, 1);
  EXPECT_TRUE(std::isnan(trial.course[1].objectives[0]));
  EXPECT_EQ(store.records()[0].metrics.at("lr"), 0.1);
  EXPECT_EQ(store.records()[0].attempts, 1);
  EXPECT_EQ(std::get<double>(trial.values.at("x")),
            std::get<double>(random_search(definition())->propose({{}, {}})->values.at("x")));
}

TEST_F(StudyStoreTest, TakesBackTheTrialsOfATunerThatWasKilled) {
  StudyStore store = create();
  const pid_t child = ::fork();
  if (child == 0) {
    StudyStore theirs = StudyStore::open(file());
    theirs.join();
    theirs.claim(*random_search(theirs.definition()));
    ::pause();
    ::_exit(0);
  }
  for (int i = 0; i < 500 && store.refresh().trials.empty(); ++i)
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  ASSERT_EQ(store.history().trials.size(), 1U);
  store.join();
  EXPECT_EQ(store.requeue_orphans(), 0);  // it lives
  EXPECT_TRUE(store.tuners().at(0).alive);
  ::kill(child, SIGKILL);
  ::waitpid(child, nullptr, 0);
  EXPECT_FALSE(store.tuners().at(0).alive);
  EXPECT_EQ(store.requeue_orphans(), 1);
  const auto algorithm = random_search(store.definition());
  const Claim claim = store.claim(*algorithm);
  EXPECT_EQ(claim.trial, 0);
  EXPECT_EQ(store.records()[0].attempts, 2);
  EXPECT_EQ(store.records()[0].failures, 0);
}

TEST_F(StudyStoreTest, RefusesWordsOfATunerThatLostItsTrial) {
  StudyStore first = create();
  StudyStore second = StudyStore::open(file());
  const auto algorithm = random_search(first.definition());
  first.join();
  second.join();
  first.claim(*algorithm);
  EXPECT_FALSE(second.report(0, {1, {0.5}}, {}));
  EXPECT_FALSE(second.complete(0, {0.5}));
  first.leave();
  EXPECT_EQ(second.requeue_orphans(), 1);
  EXPECT_EQ(second.claim(*algorithm).trial, 0);
  EXPECT_FALSE(first.complete(0, {0.5}));
  EXPECT_TRUE(second.complete(0, {0.5}));
  EXPECT_FALSE(second.complete(0, {0.5}));  // ended already
}

TEST_F(StudyStoreTest, FailedTrialWaitsAndThenFailsForGood) {
  StudyStore store = create(1);
  const auto algorithm = random_search(store.definition());
  store.join();
  store.claim(*algorithm);
  EXPECT_TRUE(store.fail(0, "no luck", 0.2));
  EXPECT_EQ(store.claim(*algorithm).kind, Claim::Kind::Wait);
  std::this_thread::sleep_for(std::chrono::milliseconds(250));
  EXPECT_EQ(store.claim(*algorithm).trial, 0);
  EXPECT_TRUE(store.fail(0, "no luck again", std::nullopt));
  EXPECT_EQ(store.claim(*algorithm).kind, Claim::Kind::Done);
  EXPECT_EQ(store.records()[0].failures, 2);
  EXPECT_EQ(store.records()[0].error, "no luck again");
}

TEST_F(StudyStoreTest, ConstraintsAreMeasuredMinusAllowed) {
  StudyDefinition with = definition();
  with.constraints = {{"macs", 100, true}, {"speed", 5, false}};
  StudyStore store = StudyStore::create(file(), with);
  const auto algorithm = random_search(with);
  store.join();
  store.claim(*algorithm);
  store.report(0, {1, {0.5}}, {{"macs", 130}});
  EXPECT_THAT(message_of([&] { store.complete(0, {0.5}); }), HasSubstr("'speed'"));
  EXPECT_TRUE(store.owns(0));  // nothing was written
  store.set_metrics(0, {{"speed", 7}});
  EXPECT_TRUE(store.complete(0, {0.5}));
  EXPECT_THAT(store.refresh().trials[0].constraints, ElementsAre(30, -2));
}

TEST_F(StudyStoreTest, SpendsNoMoreThanTheResource) {
  StudyDefinition limited = definition(0);
  limited.limits.resource = 3;
  StudyStore store = StudyStore::create(file(), limited);
  const auto algorithm = random_search(limited);
  store.join();
  for (int i = 0; i < 3; ++i) {
    const Claim claim = store.claim(*algorithm);
    ASSERT_EQ(claim.kind, Claim::Kind::Run);
    store.report(claim.trial, {1, {0.5}}, {});
    store.complete(claim.trial, {0.5});
  }
  EXPECT_EQ(store.claim(*algorithm).kind, Claim::Kind::Done);
}

TEST_F(StudyStoreTest, GoalAndFailuresEndAStudy) {
  StudyDefinition with = definition(0);
  with.limits.goal = 0.1;
  with.limits.failed_trials = 2;
  StudyStore store = StudyStore::create(file(), with);
  const auto algorithm = random_search(with);
  store.join();
  store.claim(*algorithm);
  store.fail(0, "no luck", std::nullopt);
  store.claim(*algorithm);
  store.complete(1, {0.2});
  EXPECT_EQ(store.claim(*algorithm).kind, Claim::Kind::Run);
  store.complete(2, {0.05});
  EXPECT_EQ(store.claim(*algorithm).kind, Claim::Kind::Done);
}

TEST_F(StudyStoreTest, RefusesAnotherStudyAndAnotherFile) {
  create();
  StudyDefinition other = definition();
  other.seed = 2;
  other.limits.trials = 77;
  EXPECT_THAT(message_of([&] { StudyStore::create(file(), other); }), HasSubstr("other seed"));
  EXPECT_EQ(StudyStore::read(file()).definition().limits.trials, 5);
  other = definition();
  other.limits.trials = 99;  // may grow
  EXPECT_EQ(StudyStore::create(file(), other).definition().limits.trials, 99);
  std::ofstream(folder_ / "text.db") << std::string(5000, 'x');
  EXPECT_THAT(message_of([&] { StudyStore::open(folder_ / "text.db"); }),
              HasSubstr("is not a study"));
  EXPECT_THAT(message_of([&] { StudyStore::read(folder_ / "no.db"); }),
              HasSubstr("there is no study"));
  EXPECT_TRUE(StudyStore::is_study(file()));
  EXPECT_FALSE(StudyStore::is_study(folder_ / "text.db"));
}

// The file holds JSON, which has no such numbers: a study with one could not be opened again.
TEST_F(StudyStoreTest, RefusesLimitsThatAreNotFinite) {
  constexpr double kInfinite = std::numeric_limits<double>::infinity();
  StudyDefinition endless = definition();
  endless.limits.hours = kInfinite;
  EXPECT_THAT(message_of([&] { StudyStore::create(file(), endless); }), HasSubstr("limits.hours"));
  endless = definition();
  endless.limits.goal = -kInfinite;
  EXPECT_THAT(message_of([&] { StudyStore::create(file(), endless); }), HasSubstr("limits.goal"));
  EXPECT_FALSE(fs::exists(file()));
}

TEST_F(StudyStoreTest, IsReadWhileOthersWrite) {
  StudyStore writer = create(50);
  const StudyStore before = StudyStore::read(file());
  StudyStore reader = StudyStore::read(file());
  const auto algorithm = random_search(writer.definition());
  writer.join();
  for (int i = 0; i < 20; ++i) {
    const Claim claim = writer.claim(*algorithm);
    writer.report(claim.trial, {1, {1.0 * i}}, {});
    EXPECT_EQ(reader.refresh().trials.size(), static_cast<std::size_t>(i + 1));
    EXPECT_EQ(reader.history().trials.back().course.size(), 1U);
  }
  EXPECT_TRUE(before.history().trials.empty());
}

}  // namespace
}  // namespace jetcal::hpo
