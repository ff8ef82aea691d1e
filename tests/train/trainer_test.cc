// SPDX-License-Identifier: Apache-2.0
#include "jetcal/train/trainer.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <limits>

#include "jetcal/base/error.h"
#include "jetcal/base/files.h"
#include "jetcal/base/temporary_folder.h"
#include "jetcal/base/threads.h"
#include "jetcal/models/model.h"
#include "jetcal/models/predictor.h"
#include "jetcal/train/batch_loader.h"
#include "jetcal/train/checkpoint.h"
#include "jetcal/train/detail/folder_lock.h"
#include "jetcal/train/loss.h"
#include "tests/train/killed.h"
#include "tests/train/synthetic_jets.h"

namespace jetcal::train {
namespace {

using testing::HasSubstr;

TrainOptions small_options(const std::filesystem::path& output,
                           models::Network network = models::Network::Pfn) {
  TrainOptions options;
  options.data = "memory";
  options.output = output;
  options.model.network = network;
  options.model.standardise = true;
  options.model.particle_layers = 2;
  options.model.particle_units = 8;
  options.model.edge_blocks = 1;
  options.model.neighbors = 3;
  options.model.edge_layers = 1;
  options.model.edge_units = 6;
  options.model.head_layers = 1;
  options.model.head_units = 8;
  options.model.dropout = 0.05;
  options.optimizer.learning_rate = 0.01;
  options.epochs = 4;
  options.batch_size = 64;
  options.checkpoint_steps = 3;
  return options;
}

// Losses and weights that two runs must share bit for bit.
void expect_same_run(const TrainResult& a, const TrainResult& b) {
  EXPECT_EQ(a.test.loss, b.test.loss);
  EXPECT_EQ(a.best_validation_loss, b.best_validation_loss);
  EXPECT_EQ(a.fingerprint, b.fingerprint);
  ASSERT_EQ(a.epochs.size(), b.epochs.size());
  for (std::size_t i = 0; i < a.epochs.size(); ++i) {
    EXPECT_EQ(a.epochs[i].train_loss, b.epochs[i].train_loss) << i;
    EXPECT_EQ(a.epochs[i].validation_loss, b.epochs[i].validation_loss) << i;
    EXPECT_EQ(a.epochs[i].learning_rate, b.epochs[i].learning_rate) << i;
  }
}

std::int64_t lines_of(const std::filesystem::path& path) {
  const std::string text = read_file(path);
  return std::count(text.begin(), text.end(), '\n');
}

Error error_of(const TrainOptions& options, const JetSources& sources,
               const TrainHooks& hooks = {}) {
  try {
    train(options, sources, hooks);
  } catch (const Error& error) {
    return error;
  }
  return {ErrorCode::Internal, "no error"};
}

class Trainer : public testing::Test {
 protected:
  void SetUp() override { set_num_threads(1); }
  void TearDown() override { set_num_threads(0); }
  TemporaryFolder folder_;
  JetSources sources_ = synthetic_sources(600);
};

TEST_F(Trainer, BeatsBothBaselinesAndReportsThem) {
  TrainOptions options = small_options(folder_.path());
  options.model.dropout = 0;
  options.optimizer.kind = OptimizerKind::Adam;
  options.epochs = 20;
  const TrainResult result = train(options, sources_);
  EXPECT_LT(result.test.loss, 0.7 * result.test.best_constant_loss);
  EXPECT_LT(result.test.loss, 0.7 * result.test.no_correction_loss);
  EXPECT_EQ(result.epochs.size(), 20U);
  const auto best = std::min_element(
      result.epochs.begin(), result.epochs.end(),
      [](const auto& a, const auto& b) { return a.validation_loss < b.validation_loss; });
  EXPECT_EQ(result.best_epoch, best->epoch);
  EXPECT_EQ(result.best_validation_loss, best->validation_loss);

  // The numbers, once more by hand from the saved model and the test jets.
  edm::FeatureBatch test;
  sources_.test->append_features(storage_order(sources_.test->num_jets()), test);
  edm::FeatureBatch train_jets;
  sources_.train->append_features(storage_order(600), train_jets);
  const models::Model model = models::load_model(folder_.path() / "model.jetcal");
  std::vector<float> y(test.target.size());
  models::Predictor(model).predict(test.view(), y);
  EXPECT_NEAR(sum_loss(test.target, y).mean(), result.test.loss, 1e-12);
  EXPECT_NEAR(sum_loss(test.target, 0.0).mean(), result.test.no_correction_loss, 1e-12);
  EXPECT_EQ(result.constant, best_constant(train_jets.target));
  EXPECT_NEAR(sum_loss(test.target, result.constant).mean(), result.test.best_constant_loss, 1e-12);
  EXPECT_EQ(models::fingerprint(model), result.fingerprint);
  EXPECT_EQ(model.provenance.at("seed"), "1");
  EXPECT_FALSE(model.standardisation.empty());
}

TEST_F(Trainer, ResumesBitForBitWhereverItIsKilled) {
  for (const auto network : {models::Network::Pfn, models::Network::ParticleNet}) {
    const TemporaryFolder whole_folder;
    const TrainResult whole = train(small_options(whole_folder.path(), network), sources_);
    const std::string model = read_file(whole_folder.path() / "model.jetcal");
    // Ten batches an epoch, a checkpoint every three steps: first step, just before, on and after
    // a checkpoint, the ends of epochs, the last step.
    for (const std::int64_t step : {1, 2, 3, 4, 10, 11, 19, 20, 37, 40}) {
      const TemporaryFolder folder;
      const TrainOptions options = small_options(folder.path(), network);
      EXPECT_THROW(train(options, sources_, killed_after(step)), Killed);
      EXPECT_FALSE(std::filesystem::exists(folder.path() / "model.jetcal"));
      const TrainResult resumed = train(options, sources_);
      EXPECT_LE(resumed.resumed_step, step);
      EXPECT_GE(resumed.resumed_step, step - 3);
      expect_same_run(resumed, whole);
      EXPECT_EQ(read_file(folder.path() / "model.jetcal"), model) << "killed after " << step;
      EXPECT_EQ(lines_of(folder.path() / "metrics.txt"), 5) << "killed after " << step;
    }
  }
}

TEST_F(Trainer, ResumesEveryOptimizerAfterManyKills) {
  for (const OptimizerKind kind : kOptimizers) {
    const TemporaryFolder whole_folder;
    TrainOptions options = small_options(whole_folder.path());
    options.optimizer.kind = kind;
    options.checkpoint_steps = 1;
    const TrainResult whole = train(options, sources_);
    const TemporaryFolder folder;
    options.output = folder.path();
    for (std::int64_t step = 4; step <= 40; step += 4) {
      EXPECT_THROW(train(options, sources_, killed_after(step)), Killed);
    }
    expect_same_run(train(options, sources_), whole);
  }
}

TEST_F(Trainer, GoesOnFromACheckpointWithoutTimesOfTheData) {
  const TrainOptions options = small_options(folder_.path());
  EXPECT_THROW(train(options, sources_, killed_after(25)), Killed);
  const auto path = folder_.path() / "checkpoint" / "state";
  Checkpoint checkpoint = load_checkpoint(path);
  checkpoint.state.erase("epoch_data_seconds");
  checkpoint.state.erase("epoch_data_cpu_seconds");
  ASSERT_EQ(checkpoint.state.at("history").size(), 2U);
  for (auto& epoch : checkpoint.state.at("history")) {
    epoch.erase("data_seconds");
    epoch.erase("data_cpu_seconds");
  }
  save_checkpoint(checkpoint, path);
  const TrainResult result = train(options, sources_);
  EXPECT_GT(result.resumed_step, 20);
  EXPECT_EQ(result.epochs[0].data_cpu_seconds, 0);
  EXPECT_GT(result.epochs[3].data_cpu_seconds, 0);
}

TEST_F(Trainer, AStopKeepsEveryStep) {
  const TemporaryFolder whole_folder;
  const TrainResult whole = train(small_options(whole_folder.path()), sources_);
  TrainOptions options = small_options(folder_.path());
  options.checkpoint_steps = 1000;
  BatchProgress last;
  TrainHooks hooks;
  hooks.on_batch = [&last](const BatchProgress& now) { last = now; };
  hooks.should_stop = [&last] { return last.step == 14; };
  const Error error = error_of(options, sources_, hooks);
  EXPECT_EQ(error.code(), ErrorCode::Cancelled);
  EXPECT_THAT(error.what(), HasSubstr("epoch 2 after 14 steps"));
  EXPECT_EQ(last.earlier_jets, 0);
  std::vector<BatchProgress> reports;
  hooks = {};
  hooks.on_batch = [&reports](const BatchProgress& now) { reports.push_back(now); };
  const TrainResult resumed = train(options, sources_, hooks);
  EXPECT_EQ(resumed.resumed_step, 14);
  expect_same_run(resumed, whole);
  // What the first process did does not count for the speed of the second.
  EXPECT_EQ(reports.front().earlier_jets, last.jets_done);
  EXPECT_EQ(reports.front().earlier_seconds, last.seconds);
  EXPECT_GT(reports.front().jets_done, last.jets_done);
  EXPECT_EQ(reports.back().epoch, 4);
  EXPECT_EQ(reports.back().earlier_jets, 0);
}

TEST_F(Trainer, AStopWhileTheBestNetworkIsMeasuredChangesNothing) {
  const JetSources sources = {
      std::make_unique<MemorySource>("train split", synthetic_jets(600, 1)),
      std::make_unique<MemorySource>("validation split", synthetic_jets(2000, 2)),
      std::make_unique<MemorySource>("test split", synthetic_jets(2000, 3))};
  const auto options_in = [](const std::filesystem::path& folder) {
    TrainOptions options = small_options(folder);
    options.model.head = models::Head::Gaussian;
    options.epochs = 1;
    return options;
  };
  const TemporaryFolder whole_folder;
  const TrainResult whole = train(options_in(whole_folder.path()), sources);
  const std::string model = read_file(whole_folder.path() / "model.jetcal");
  int stops = 0;
  for (int question = 1; stops == question - 1; ++question) {
    const TemporaryFolder folder;
    bool trained = false;
    int asked = 0;
    TrainHooks hooks;
    hooks.on_epoch = [&trained](const EpochRecord&) { trained = true; };
    hooks.should_stop = [&] { return trained && ++asked == question + 1; };
    try {
      train(options_in(folder.path()), sources, hooks);
      continue;  // fewer questions than that are asked
    } catch (const Error& error) {
      ASSERT_EQ(error.code(), ErrorCode::Cancelled);
      ++stops;
    }
    const TrainResult resumed = train(options_in(folder.path()), sources);
    EXPECT_EQ(resumed.performance, whole.performance) << "stopped at question " << question;
    EXPECT_EQ(read_file(folder.path() / "model.jetcal"), model) << "stopped at " << question;
  }
  EXPECT_GE(stops, 6);  // two batches each of validation, test, and test once more
}

TEST_F(Trainer, AFinishedRunAnswersWithoutTraining) {
  const TrainOptions options = small_options(folder_.path());
  const TrainResult first = train(options, sources_);
  std::filesystem::remove(folder_.path() / "model.jetcal");
  std::filesystem::remove(folder_.path() / "metrics.txt");
  const TrainResult again = train(options, sources_, killed_after(1));
  EXPECT_TRUE(again.was_finished);
  EXPECT_FALSE(first.was_finished);
  expect_same_run(again, first);
  EXPECT_TRUE(std::filesystem::exists(folder_.path() / "model.jetcal"));
  EXPECT_EQ(lines_of(folder_.path() / "metrics.txt"), 5);
}

TEST_F(Trainer, RefusesToMixRuns) {
  TrainOptions options = small_options(folder_.path());
  EXPECT_THROW(train(options, sources_, killed_after(5)), Killed);
  options.optimizer.learning_rate = 0.02;
  Error error = error_of(options, sources_);
  EXPECT_EQ(error.code(), ErrorCode::FailedPrecondition);
  EXPECT_THAT(error.what(), HasSubstr("training.lr = 0.01, this one has 0.02"));
  options = small_options(folder_.path());
  options.model.head_units = 9;
  EXPECT_THAT(error_of(options, sources_).what(), HasSubstr("model.head_units"));
  options = small_options(folder_.path());
  error = error_of(options, synthetic_sources(601));
  EXPECT_EQ(error.code(), ErrorCode::FailedPrecondition);
  EXPECT_THAT(error.what(), HasSubstr("data.train"));
  options.epochs = 1;
  options.restart = true;
  EXPECT_EQ(train(options, sources_).epochs.size(), 1U);
}

TEST_F(Trainer, RestartGivesTheResultOfAFreshRun) {
  TrainOptions options = small_options(folder_.path());
  const TrainResult first = train(options, sources_);
  options.restart = true;
  const TrainResult second = train(options, sources_);
  EXPECT_FALSE(second.was_finished);
  EXPECT_EQ(second.resumed_step, 0);
  expect_same_run(second, first);
}

TEST_F(Trainer, TheSeedDecides) {
  TrainOptions options = small_options(folder_.path());
  const TrainResult first = train(options, sources_);
  options.seed = 2;
  options.restart = true;
  EXPECT_NE(train(options, sources_).test.loss, first.test.loss);
}

TEST_F(Trainer, NamesANumberThatIsNotFinite) {
  const JetSources sources = synthetic_sources(
      600, [](edm::JetColumns& jets) { jets.area[417] = std::numeric_limits<float>::infinity(); });
  const Error error = error_of(small_options(folder_.path()), sources);
  EXPECT_EQ(error.code(), ErrorCode::InvalidArgument);
  EXPECT_THAT(error.what(), HasSubstr("jet 417 of the train split has jetArea = inf"));
}

TEST_F(Trainer, NamesEpochAndBatchWhereTheLossIsNotFinite) {
  TrainOptions options = small_options(folder_.path());
  options.optimizer.kind = OptimizerKind::Adam;
  options.optimizer.learning_rate = 1e30;
  const Error error = error_of(options, sources_);
  EXPECT_EQ(error.code(), ErrorCode::InvalidArgument);
  EXPECT_THAT(error.what(), HasSubstr("not finite in epoch 1, batch "));
  EXPECT_FALSE(std::filesystem::exists(folder_.path() / "model.jetcal"));
}

TEST_F(Trainer, CountsJetsOutsideOfTheLoss) {
  const JetSources sources = synthetic_sources(600, [](edm::JetColumns& jets) {
    for (const int j : {3, 50, 51}) jets.pt_gen[j] = 3 * jets.pt_reco[j];
  });
  TrainOptions options = small_options(folder_.path());
  options.epochs = 1;
  EXPECT_EQ(train(options, sources).train.rejected_jets, 3);
}

TEST_F(Trainer, ACorruptCheckpointIsNamed) {
  const TrainOptions options = small_options(folder_.path());
  EXPECT_THROW(train(options, sources_, killed_after(5)), Killed);
  const auto path = folder_.path() / "checkpoint" / "state";
  const std::string bytes = read_file(path);
  write_file(path, bytes.substr(0, bytes.size() / 2));
  const Error error = error_of(options, sources_);
  EXPECT_EQ(error.code(), ErrorCode::DataLoss);
  EXPECT_THAT(error.what(), HasSubstr(path.string()));
}

TEST_F(Trainer, TwoProcessesCannotShareAFolder) {
  const detail::FolderLock other(folder_.path() / "checkpoint");
  const Error error = error_of(small_options(folder_.path()), sources_);
  EXPECT_EQ(error.code(), ErrorCode::FailedPrecondition);
  EXPECT_THAT(error.what(), HasSubstr("another process"));
}

TEST_F(Trainer, ReportHoldsWhatTheContractNames) {
  const nlohmann::ordered_json document = report(train(small_options(folder_.path()), sources_));
  EXPECT_EQ(document.at("epochs").size(), 4U);
  EXPECT_TRUE(document.at("epochs").at(0).contains("train_loss"));
  EXPECT_TRUE(document.at("epochs").at(0).contains("validation_loss"));
  for (const auto& epoch : document.at("epochs")) {
    EXPECT_GT(epoch.at("data_cpu_seconds").get<double>(), 0);
    EXPECT_GE(epoch.at("data_seconds").get<double>(), 0);
    EXPECT_LT(epoch.at("data_seconds").get<double>(), epoch.at("seconds").get<double>());
  }
  EXPECT_GT(document.at("test_loss").get<double>(), 0);
  EXPECT_GT(document.at("baselines").at("no_correction").get<double>(), 0);
  EXPECT_GT(document.at("baselines").at("best_constant").get<double>(), 0);
  EXPECT_GT(document.at("jets_per_second").get<double>(), 0);
  EXPECT_EQ(document.at("parameters").get<std::int64_t>(),
            models::num_parameters(small_options("x").model));
}

}  // namespace
}  // namespace jetcal::train
