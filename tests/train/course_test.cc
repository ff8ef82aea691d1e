// SPDX-License-Identifier: Apache-2.0
// The course of whole runs: every option through train(), with kills in between.
#include "jetcal/train/course.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "jetcal/base/error.h"
#include "jetcal/base/files.h"
#include "jetcal/base/temporary_folder.h"
#include "jetcal/base/threads.h"
#include "jetcal/train/trainer.h"
#include "tests/train/killed.h"
#include "tests/train/synthetic_jets.h"

namespace jetcal::train {
namespace {

using testing::HasSubstr;

// `training` is a list of fields, each with a comma before it; those given here may be in it.
TrainOptions options_of(std::string training) {
  for (const std::string field :
       {"epochs: 4", "batch_size: 64", "checkpoint_steps: 3", "lr: 0.01"}) {
    if (training.find(field.substr(0, field.find(':') + 1)) == std::string::npos)
      training += ", " + field;
  }
  const Config config = Config::parse(
      "data: {directory: memory}\noutput: none\n"
      "model: {network: particlenet, edge_blocks: 1, neighbors: 3, edge_layers: 1, edge_units: 6,"
      " head_layers: 1, head_units: 8, standardise: true, dropout: 0.05}\n"
      "training: {seed: 1" +
          training + "}\n",
      "test.yaml");
  TrainOptions options = read_train_options(config);
  config.reject_unknown();
  return options;
}

class Course : public testing::Test {
 protected:
  void SetUp() override { set_num_threads(1); }
  void TearDown() override { set_num_threads(0); }

  TrainResult run(const std::string& training, const TrainHooks& hooks = {}) {
    TrainOptions options = options_of(training);
    options.output = folder_.path() / std::to_string(++runs_);
    return train(options, sources_, hooks);
  }
  models::Model last_model() const {
    return models::load_model(folder_.path() / std::to_string(runs_) / "model.jetcal");
  }

  TemporaryFolder folder_;
  JetSources sources_ = synthetic_sources(600);
  int runs_ = 0;
};

// All that is new in one run, so that all of its state has to survive.
constexpr const char* kEverything =
    ", optimizer: ranger, schedule: cosine, warmup_steps: 7, clip_norm: 0.2, clip_value: 0.1,"
    " ema_decay: 0.9, ema_start_step: 5, weight_decay: 0.1, lr_multipliers: ['head*=0.5'],"
    " weight_decay_multipliers: ['*.bias=0'], freeze: ['feature.weight'], steps_per_epoch: 13";

TEST_F(Course, ResumesBitForBitWhereverItIsKilled) {
  const TrainResult whole = run(kEverything);
  const std::string model = read_file(folder_.path() / "1" / "model.jetcal");
  ASSERT_EQ(whole.epochs.size(), 4U);
  for (const std::int64_t step : {1, 4, 6, 12, 13, 14, 21, 40, 52}) {
    EXPECT_THROW(run(kEverything, killed_after(step)), Killed);
    --runs_;
    const TrainResult resumed = run(kEverything);
    EXPECT_GE(resumed.resumed_step, step - 3);
    EXPECT_EQ(resumed.fingerprint, whole.fingerprint) << step;
    EXPECT_EQ(resumed.test.loss, whole.test.loss) << step;
    EXPECT_EQ(read_file(folder_.path() / std::to_string(runs_) / "model.jetcal"), model) << step;
    for (std::size_t i = 0; i < 4; ++i) {
      EXPECT_EQ(resumed.epochs[i].train_loss, whole.epochs[i].train_loss) << step;
      EXPECT_EQ(resumed.epochs[i].clipped_steps, whole.epochs[i].clipped_steps) << step;
      EXPECT_EQ(resumed.epochs[i].ema_validation_loss, whole.epochs[i].ema_validation_loss);
      EXPECT_EQ(resumed.epochs[i].learning_rate, whole.epochs[i].learning_rate) << step;
    }
  }
}

TEST_F(Course, FrozenParametersKeepTheirBits) {
  for (const std::string_view optimizer : {"adam", "adamw", "adagrad", "rmsprop", "ranger"}) {
    run(", weight_decay: 0.1, ema_decay: 0.9, freeze: ['block0.*', 'head0.bias'], optimizer: " +
        std::string(optimizer));
    const models::Model trained = last_model();
    const models::Model start = models::initialise(trained.config, 1);
    int frozen = 0;
    for (const models::TensorSlice& slice : trained.layout.parameters) {
      const auto before = start.parameter(slice.name);
      const auto after = trained.parameter(slice.name);
      const bool same = std::equal(before.begin(), before.end(), after.begin());
      const bool asked = slice.name.starts_with("block0.") || slice.name == "head0.bias";
      EXPECT_EQ(same, asked) << optimizer << " " << slice.name;
      frozen += asked ? 1 : 0;
    }
    EXPECT_GT(frozen, 3);
  }
}

TEST_F(Course, ClippedStepsAreCounted) {
  const TrainResult never = run(", clip_norm: 1.0e+6");
  const TrainResult plain = run("");
  EXPECT_EQ(never.test.loss, plain.test.loss);
  for (const EpochRecord& epoch : never.epochs) EXPECT_EQ(epoch.clipped_steps, 0);
  const TrainResult always = run(", clip_norm: 1.0e-6");
  for (const EpochRecord& epoch : always.epochs) EXPECT_EQ(epoch.clipped_steps, 10);
  EXPECT_NE(always.test.loss, plain.test.loss);
}

TEST_F(Course, TheAverageIsKeptWhereAsked) {
  const TrainResult averaged = run(", ema_decay: 0.95");
  const models::Model kept = last_model();
  const TrainResult raw = run(", ema_decay: 0.95, ema_best: false");
  const TrainResult plain = run("");
  EXPECT_EQ(raw.test.loss, plain.test.loss);
  EXPECT_EQ(raw.fingerprint, plain.fingerprint);
  EXPECT_NE(averaged.fingerprint, plain.fingerprint);
  for (std::size_t i = 0; i < plain.epochs.size(); ++i) {
    EXPECT_EQ(averaged.epochs[i].validation_loss, averaged.epochs[i].ema_validation_loss);
    EXPECT_EQ(averaged.epochs[i].raw_validation_loss, plain.epochs[i].validation_loss);
    EXPECT_EQ(raw.epochs[i].ema_validation_loss, averaged.epochs[i].ema_validation_loss);
    EXPECT_EQ(raw.epochs[i].validation_loss, plain.epochs[i].validation_loss);
    EXPECT_EQ(plain.epochs[i].ema_validation_loss, 0);
  }
  EXPECT_EQ(models::fingerprint(kept), averaged.fingerprint);
}

TEST_F(Course, StartsFromAnotherModel) {
  run("");
  const models::Model source = last_model();
  const std::string file = (folder_.path() / "1" / "model.jetcal").string();
  run(", lr: 1.0e-30, epochs: 1, optimizer: adam, init: '" + file + "'");
  models::Model model = last_model();
  EXPECT_EQ(model.parameters, source.parameters);
  EXPECT_EQ(model.standardisation.particle_mean, source.standardisation.particle_mean);
  // What the file holds is part of the run.
  TrainOptions options = options_of(", init: '" + file + "'");
  EXPECT_EQ(identity(options).at("training").at("init"), models::fingerprint(source));
}

TEST_F(Course, EndsWhenPatienceDoes) {
  const TrainResult result =
      run(", epochs: 40, lr: 1.0e-30, optimizer: adam, patience: 3,"
          " patience_gain: 0.5");
  EXPECT_TRUE(result.stopped_early);
  EXPECT_EQ(result.epochs.size(), 4U);
  EXPECT_FALSE(run("").stopped_early);
}

TEST_F(Course, EpochsOfAnyLengthCutTheSameSteps) {
  // Ten batches a pass: the last has 24 jets.
  const TrainResult whole = run(", schedule: constant, epochs: 6");
  std::vector<std::int64_t> jets;
  const TrainResult cut = run(", schedule: constant, epochs: 4, steps_per_epoch: 15");
  for (const EpochRecord& epoch : cut.epochs) jets.push_back(epoch.jets);
  EXPECT_THAT(jets, testing::ElementsAre(920, 880, 920, 880));
  EXPECT_EQ(cut.epochs.back().validation_loss, whole.epochs.back().validation_loss);
  EXPECT_EQ(run(", schedule: constant, epochs: 4, samples_per_epoch: 900").test.loss,
            cut.test.loss);
}

TEST_F(Course, RatesFollowTheScheduleStepByStep) {
  std::vector<double> rates;
  TrainHooks hooks;
  hooks.on_batch = [&rates](const BatchProgress& now) { rates.push_back(now.learning_rate); };
  run(", schedule: one-cycle, warmup_steps: 4", hooks);
  ASSERT_EQ(rates.size(), 40U);
  ScheduleOptions options;
  options.kind = Schedule::OneCycle;
  options.warmup_steps = 4;
  for (std::int64_t step = 0; step < 40; ++step)
    EXPECT_EQ(rates[step], 0.01 * learning_rate_factor(options, {step / 10, 4, step, 10}));
}

std::string complaint(const std::string& training) {
  try {
    validate(options_of(training));
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::InvalidArgument);
    return error.what();
  }
  return "none";
}

TEST(CourseOptions, MistakesAreNamed) {
  EXPECT_EQ(complaint(""), "none");
  EXPECT_THAT(complaint(", schedule: cosin"), HasSubstr("expected one of constant, flat-decay"));
  EXPECT_THAT(complaint(", ema_decay: 1"), HasSubstr("training.ema_decay"));
  EXPECT_THAT(complaint(", clip_norm: 0"), HasSubstr("training.clip_norm"));
  EXPECT_THAT(complaint(", patience: -1"), HasSubstr("training.patience"));
  EXPECT_THAT(complaint(", steps_per_epoch: 3, samples_per_epoch: 4"), HasSubstr("give one"));
  EXPECT_THAT(complaint(", init_exclude: [head]"), HasSubstr("training.init"));
  EXPECT_THAT(complaint(", lr_multipliers: [head]"), HasSubstr("expected PATTERN=FACTOR"));
}

TEST(CourseOptions, RunsOfEarlierVersionsKeepTheirIdentity) {
  const nlohmann::json training = identity(options_of("")).at("training");
  EXPECT_EQ(training.size(), 7U) << training;
  EXPECT_EQ(identity(options_of(", clip_norm: 2")).at("training").at("clip_norm"), 2);
}

}  // namespace
}  // namespace jetcal::train
