// SPDX-License-Identifier: Apache-2.0
#include "jetcal/train/options.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "jetcal/base/error.h"

namespace jetcal::train {
namespace {

TrainOptions read(const std::string& text) {
  const Config config = Config::parse(text, "test.yaml");
  const TrainOptions options = read_train_options(config);
  config.reject_unknown();
  return options;
}

std::string complaint_about(const std::string& text) {
  try {
    validate(read(text));
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::InvalidArgument);
    return error.what();
  }
  return "none";
}

constexpr const char* kFolders = "data: {directory: in}\noutput: out\n";

TEST(TrainOptions, DefaultsAreThePapers) {
  const TrainOptions options = read("");
  EXPECT_EQ(options.model, models::preset("paper-pfn"));
  EXPECT_EQ(options.optimizer.kind, OptimizerKind::Ranger);
  EXPECT_EQ(options.course.schedule.kind, Schedule::FlatDecay);
  EXPECT_EQ(options.epochs, 50);
  EXPECT_EQ(options.batch_size, 500);
}

TEST(TrainOptions, TheCommittedConfigurationsAreThePapersBest) {
  const Config pfn = Config::load(JETCAL_SOURCE_DIR "/configs/train_pfn.yaml");
  const TrainOptions pfn_options = read_train_options(pfn);
  EXPECT_NO_THROW(pfn.reject_unknown());
  EXPECT_NO_THROW(validate(pfn_options));
  EXPECT_EQ(models::num_parameters(pfn_options.model), 355351);
  const Config net = Config::load(JETCAL_SOURCE_DIR "/configs/train_particlenet.yaml");
  const TrainOptions net_options = read_train_options(net);
  EXPECT_NO_THROW(net.reject_unknown());
  EXPECT_NO_THROW(validate(net_options));
  EXPECT_EQ(models::num_parameters(net_options.model), 123469);
}

TEST(TrainOptions, TheLearningRateDefaultsToTheOptimizers) {
  EXPECT_EQ(read("").optimizer.learning_rate, 1e-3);
  EXPECT_EQ(read("training: {optimizer: rmsprop}").optimizer.learning_rate, 1e-2);
  EXPECT_EQ(read("training: {optimizer: adagrad}").optimizer.kind, OptimizerKind::Adagrad);
  EXPECT_EQ(read("training: {optimizer: adagrad, lr: 0.5}").optimizer.learning_rate, 0.5);
}

TEST(TrainOptions, FieldsOverrideThePreset) {
  const TrainOptions options = read(
      "model: {preset: paper-particlenet, mode: constituents, standardise: true, neighbors: 8}\n"
      "training: {optimizer: adamw, lr: 0.005, weight_decay: 0.2, epochs: 3, seed: 9}\n");
  EXPECT_EQ(options.model.network, models::Network::ParticleNet);
  EXPECT_EQ(options.model.input_mode, edm::InputMode::Constituents);
  EXPECT_TRUE(options.model.standardise);
  EXPECT_EQ(options.model.neighbors, 8);
  EXPECT_EQ(options.model.edge_units, models::preset("paper-particlenet").edge_units);
  EXPECT_EQ(options.optimizer.resolved_weight_decay(), 0.2);
  EXPECT_EQ(options.epochs, 3);
  EXPECT_EQ(options.seed, 9);
}

TEST(TrainOptions, MistakesAreNamed) {
  using testing::HasSubstr;
  const std::string folders = kFolders;
  EXPECT_THAT(complaint_about("output: out"), HasSubstr("data.directory"));
  EXPECT_THAT(complaint_about("data: {directory: in}"), HasSubstr("output"));
  EXPECT_THAT(complaint_about(folders + "training: {epoch: 3}"),
              HasSubstr("unknown field 'training.epoch', did you mean 'training.epochs'"));
  EXPECT_THAT(complaint_about(folders + "training: {epochs: many}"), HasSubstr("training.epochs"));
  EXPECT_THAT(complaint_about(folders + "training: {epochs: 0}"), HasSubstr("training.epochs"));
  EXPECT_THAT(complaint_about(folders + "training: {lr: -1}"), HasSubstr("training.lr"));
  EXPECT_THAT(complaint_about(folders + "training: {lr: .nan}"), HasSubstr("training.lr"));
  EXPECT_THAT(complaint_about(folders + "training: {batch_size: 0}"), HasSubstr("batch_size"));
  EXPECT_THAT(complaint_about(folders + "training: {optimizer: sgd}"), HasSubstr("sgd"));
  EXPECT_THAT(complaint_about(folders + "model: {preset: paper-pfn, neighbors: 8}"),
              HasSubstr("unknown field 'model.neighbors'"));
  EXPECT_THAT(complaint_about(folders + "model: {preset: paper-pfn, network: particlenet}"),
              HasSubstr("model.network"));
  EXPECT_THAT(complaint_about(folders + "model: {dropout: 1.5}"), HasSubstr("dropout"));
  EXPECT_EQ(complaint_about(folders), "none");
}

}  // namespace
}  // namespace jetcal::train
