// SPDX-License-Identifier: Apache-2.0
#include "jetcal/train/learner.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <memory>
#include <utility>
#include <vector>

#include "jetcal/base/error.h"
#include "jetcal/base/random.h"
#include "tests/train/synthetic_jets.h"

namespace jetcal::train {
namespace {

models::ModelConfig small_config(models::Network network) {
  models::ModelConfig config;
  config.network = network;
  config.particle_layers = 2;
  config.particle_units = 6;
  config.edge_blocks = 2;
  config.neighbors = 3;
  config.edge_layers = 2;
  config.edge_units = 5;
  config.head_layers = 2;
  config.head_units = 7;
  config.dropout = 0.1;
  return config;
}

edm::FeatureBatch batch_of(std::int64_t num_jets) {
  const MemorySource source("jets", synthetic_jets(num_jets, 4));
  edm::FeatureBatch batch;
  for (std::int64_t row = 0; row < num_jets; ++row)
    source.append_features(std::span(&row, 1), batch);
  return batch;
}

class LearnerOf : public testing::TestWithParam<models::Network> {};

TEST_P(LearnerOf, GradientMeetsCentralDifferences) {
  const models::Model model = models::initialise(small_config(GetParam()), 5);
  const edm::FeatureBatch batch = batch_of(40);
  std::vector<float> gradient(model.parameters.size());
  Learner(model, {}).gradient(batch, 77, gradient);
  Rng rng(3);
  for (int direction = 0; direction < 8; ++direction) {
    // A random direction of length 1 along which the slope is a fair part of the whole gradient.
    std::vector<double> d(gradient.size());
    double length = 0;
    for (std::size_t i = 0; i < d.size(); ++i) {
      d[i] = rng.normal() + 3 * gradient[i];
      length += d[i] * d[i];
    }
    constexpr double kStep = 2e-3;
    double slope = 0;
    models::Model above = model;
    models::Model below = model;
    for (std::size_t i = 0; i < d.size(); ++i) {
      d[i] /= std::sqrt(length);
      slope += d[i] * gradient[i];
      above.parameters[i] += static_cast<float>(kStep * d[i]);
      below.parameters[i] -= static_cast<float>(kStep * d[i]);
    }
    std::vector<float> unused(gradient.size());
    const double difference = Learner(above, {}).gradient(batch, 77, unused) -
                              Learner(below, {}).gradient(batch, 77, unused);
    // Bound: float rounding of the loss over the step, and the kinks of ReLU and |.| inside it.
    EXPECT_NEAR(difference / (2 * kStep), slope, 2e-3 + 0.03 * std::abs(slope)) << direction;
    EXPECT_GT(std::abs(slope), 0);
  }
}

TEST(Learner, TakesAJetOfWeightTwoForTwoJets) {
  models::ModelConfig config = small_config(models::Network::Pfn);
  config.dropout = 0;
  const models::Model model = models::initialise(config, 5);
  const MemorySource source("jets", synthetic_jets(4, 4));
  edm::FeatureBatch weighted, repeated;
  source.append_features(std::vector<std::int64_t>{0, 1, 2, 3}, weighted);
  source.append_features(std::vector<std::int64_t>{0, 0, 2, 3}, repeated);
  weighted.weight = {2, 0, 1, 1};
  std::vector<float> of_weighted(model.parameters.size()), of_repeated(model.parameters.size());
  const double loss = Learner(model, {}).gradient(weighted, 1, of_weighted);
  EXPECT_NEAR(loss, Learner(model, {}).gradient(repeated, 1, of_repeated), 1e-7);
  double size = 0;
  for (std::size_t i = 0; i < of_weighted.size(); ++i) {
    size = std::max(size, static_cast<double>(std::abs(of_repeated[i])));
    EXPECT_NEAR(of_weighted[i], of_repeated[i], 1e-5) << i;  // sums of 4 jets in another order
  }
  EXPECT_GT(size, 0.01);
}

TEST_P(LearnerOf, StepsLowerTheLoss) {
  Learner learner(models::initialise(small_config(GetParam()), 5),
                  {OptimizerKind::Adam, 0.01, std::nullopt});
  const edm::FeatureBatch batch = batch_of(200);
  const double before = learner.step(batch, 1, 0.01).loss;
  double after = before;
  for (int i = 0; i < 60; ++i) after = learner.step(batch, 1, 0.01).loss;
  EXPECT_LT(after, 0.7 * before);
}

TEST_P(LearnerOf, GoesOnBitForBitFromARestore) {
  const models::Model start = models::initialise(small_config(GetParam()), 5);
  const edm::FeatureBatch batch = batch_of(50);
  Learner whole(start, {});
  for (std::uint64_t i = 0; i < 9; ++i) whole.step(batch, i, 0.01);
  Learner first(start, {});
  for (std::uint64_t i = 0; i < 4; ++i) first.step(batch, i, 0.01);
  Learner second(start, {});
  second.restore(first.model().parameters, first.model().buffers, first.optimizer_state());
  for (std::uint64_t i = 4; i < 9; ++i) second.step(batch, i, 0.01);
  EXPECT_EQ(second.model().parameters, whole.model().parameters);
  EXPECT_EQ(second.model().buffers, whole.model().buffers);
}

INSTANTIATE_TEST_SUITE_P(Networks, LearnerOf,
                         testing::Values(models::Network::Pfn, models::Network::ParticleNet,
                                         models::Network::ParticleTransformer),
                         [](const auto& info) {
                           return std::string(models::network_name(info.param));
                         });

TEST(Learner, KeepsItsParametersWhereTheLossIsNotFinite) {
  Learner learner(models::initialise(small_config(models::Network::Pfn), 5), {});
  edm::FeatureBatch batch = batch_of(20);
  batch.target[3] = std::numeric_limits<float>::quiet_NaN();
  const std::vector<float> before = learner.model().parameters;
  const StepOutcome outcome = learner.step(batch, 1, 0.01);
  EXPECT_FALSE(outcome.loss_finite);
  EXPECT_EQ(learner.model().parameters, before);
}

TEST(Learner, RefusesWeightsOfAnotherSize) {
  Learner learner(models::initialise(small_config(models::Network::Pfn), 5), {});
  const std::vector<float> parameters(3);
  EXPECT_THROW(learner.restore(parameters, {}, {}), Error);
}

// The CPU's pass behind the interface of devices, counting what it is asked.
class CountingPass final : public NetworkPass {
 public:
  CountingPass(std::unique_ptr<NetworkPass> pass, int& calls)
      : pass_(std::move(pass)), calls_(calls) {}
  void forward(std::span<const float> parameters, std::span<float> buffers,
               const edm::FeatureView& features, std::uint64_t dropout_seed, std::span<float> y,
               const models::BatchShare& share) override {
    ++calls_;
    pass_->forward(parameters, buffers, features, dropout_seed, y, share);
  }
  void backward(std::span<const float> parameters, std::span<const float> grad_y,
                std::span<float> grad_parameters,
                const models::GradientsFinished& finished) override {
    ++calls_;
    pass_->backward(parameters, grad_y, grad_parameters, finished);
  }

 private:
  std::unique_ptr<NetworkPass> pass_;
  int& calls_;
};

TEST(Learner, TakesTheStepsOfAnyDevicesPass) {
  const models::Model model = models::initialise(small_config(models::Network::Pfn), 5);
  const edm::FeatureBatch batch = batch_of(20);
  int calls = 0;
  const NetworkPassFactory factory = [&calls](const models::ModelConfig& config,
                                              const models::Standardisation& standardisation) {
    return std::make_unique<CountingPass>(make_network_pass({}, config, standardisation), calls);
  };
  Learner ours(model, {});
  Learner device(model, {}, {}, 0, nullptr, {}, factory);
  for (std::uint64_t step = 0; step < 3; ++step)
    EXPECT_EQ(ours.step(batch, step, 1e-3).loss, device.step(batch, step, 1e-3).loss);
  EXPECT_EQ(calls, 6);
  EXPECT_EQ(ours.model().parameters, device.model().parameters);
}

}  // namespace
}  // namespace jetcal::train
