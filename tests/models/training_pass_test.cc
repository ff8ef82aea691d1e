// SPDX-License-Identifier: Apache-2.0
#include "jetcal/models/training_pass.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <ostream>

#include "jetcal/base/error.h"
#include "jetcal/base/threads.h"
#include "jetcal/kernels/elementwise.h"
#include "jetcal/models/predictor.h"
#include "tests/models/random_jets.h"
#include "tests/models/reference_network.h"

namespace jetcal::models {
namespace {

constexpr std::uint64_t kDropoutSeed = 77;

struct Case {
  std::string name;
  Network network;
  double dropout;
  bool standardise;
  bool beyond = false;
  friend std::ostream& operator<<(std::ostream& out, const Case& test) { return out << test.name; }
};

ModelConfig config_of(const Case& test) {
  ModelConfig config = tiny(test.network);
  config.dropout = test.dropout;
  config.standardise = test.standardise;
  return test.beyond ? beyond_paper(config) : config;
}

// Draws the masks as the pass does: hidden layer i of the head uses the key (seed, i).
std::vector<std::vector<float>> dropout_masks(const ModelConfig& config, std::int64_t num_jets) {
  std::vector<std::vector<float>> masks;
  for (int layer = 0; layer < config.head_layers; ++layer) {
    auto& mask = masks.emplace_back(static_cast<std::size_t>(num_jets * config.head_units), 1.0F);
    kernels::dropout(mask, static_cast<float>(config.dropout), mix64(kDropoutSeed, layer));
  }
  return masks;
}

class TrainingPassCase : public ::testing::TestWithParam<Case> {
 protected:
  TrainingPassCase()
      : model_(random_model(config_of(GetParam()), 41)),
        jets_(random_jets({6, 0, 1, 2, 3, 9, 5, 14, 4, 1}, 42, model_.config.inputs())),
        reference_(model_) {
    reference_.use_batch_statistics();
    if (model_.config.target == edm::Reference::Raw) {
      // The last layer starts at zero, which would leave the others without gradient.
      Rng rng(40);
      for (std::int64_t i = 0; i < num_last_layer(); ++i) {
        float& value = model_.parameters[model_.parameters.size() - 1 - i];
        value = static_cast<float>(0.3 * rng.normal());
        reference_.parameter(std::ssize(model_.parameters) - 1 - i) = value;
      }
    }
    reference_.set_dropout_masks(dropout_masks(model_.config, jets_.num_jets()));
  }
  void TearDown() override { set_num_threads(0); }

  std::size_t num_values() const {
    return static_cast<std::size_t>(jets_.num_jets() * num_outputs(model_.config));
  }
  std::int64_t num_last_layer() const {
    return num_outputs(model_.config) * (model_.config.head_units + 1);
  }
  std::vector<float> forward(TrainingPass& pass, std::vector<float>& buffers) {
    std::vector<float> y(num_values());
    pass.forward(model_.parameters, buffers, jets_.view(), kDropoutSeed, y);
    return y;
  }
  TrainingPass make_pass() const { return {model_.config, model_.standardisation}; }

  Model model_;
  edm::FeatureBatch jets_;
  ReferenceNetwork reference_;
};

TEST_P(TrainingPassCase, ForwardAgreesWithTheDefinition) {
  TrainingPass pass = make_pass();
  std::vector<float> buffers = model_.buffers;
  const std::vector<float> y = forward(pass, buffers);
  const std::vector<double> expected = reference_.run(jets_.view());
  for (std::size_t jet = 0; jet < y.size(); ++jet) {
    EXPECT_NEAR(y[jet], expected[jet], 2e-5 * (1 + std::abs(expected[jet]))) << jet;
  }
}

TEST_P(TrainingPassCase, MovesTheRunningStatisticsByATenth) {
  TrainingPass pass = make_pass();
  std::vector<float> buffers = model_.buffers;
  forward(pass, buffers);
  reference_.run(jets_.view());
  for (const auto& [name, batch] : reference_.statistics()) {
    const double unbiased = static_cast<double>(batch.rows) / static_cast<double>(batch.rows - 1);
    for (const TensorSlice& slice : model_.layout.buffers) {
      for (std::int64_t c = 0; c < slice.size; ++c) {
        const double before = model_.buffers[slice.offset + c];
        const double after = buffers[slice.offset + c];
        if (slice.name == name + ".running_mean") {
          EXPECT_NEAR(after, 0.9 * before + 0.1 * batch.mean[c], 1e-5) << slice.name;
        }
        if (slice.name == name + ".running_var") {
          EXPECT_NEAR(after, 0.9 * before + 0.1 * unbiased * batch.variance[c],
                      1e-5 * (1 + batch.variance[c]))
              << slice.name;
        }
      }
    }
  }
  EXPECT_EQ(reference_.statistics().empty(),
            model_.config.network != Network::ParticleNet && model_.config.norm == Norm::None);
}

TEST_P(TrainingPassCase, GradientsOfEveryTensorMeetCentralDifferences) {
  TrainingPass pass = make_pass();
  std::vector<float> buffers = model_.buffers;
  forward(pass, buffers);
  Rng rng(43);
  std::vector<float> grad_y(num_values());
  for (float& value : grad_y) value = static_cast<float>(rng.normal());
  std::vector<float> grad(model_.parameters.size(), std::nanf(""));
  pass.backward(model_.parameters, grad_y, grad);

  const auto loss = [&] {
    const std::vector<double> y = reference_.run(jets_.view());
    double sum = 0;
    for (std::size_t jet = 0; jet < y.size(); ++jet) sum += grad_y[jet] * y[jet];
    return sum;
  };
  // Small enough that hardly an activation changes sign on the way, large enough for a double.
  constexpr double kStep = 1e-7;
  for (const TensorSlice& slice : model_.layout.parameters) {
    std::vector<double> expected;
    double largest = 0;
    for (std::int64_t i = slice.offset; i < slice.offset + slice.size; ++i) {
      const double kept = std::exchange(reference_.parameter(i), reference_.parameter(i) + kStep);
      const double above = loss();
      reference_.parameter(i) = kept - kStep;
      const double below = loss();
      reference_.parameter(i) = kept;
      expected.push_back((above - below) / (2 * kStep));
      largest = std::max(largest, std::abs(expected.back()));
    }
    if (slice.name == "input_norm.bias" && model_.config.network == Network::ParticleNet) {
      // A shift of all particles goes through the linear layer and is taken out by its batch norm.
      for (std::int64_t i = 0; i < slice.size; ++i) EXPECT_NEAR(grad[slice.offset + i], 0, 1e-6);
      continue;
    }
    EXPECT_GT(largest, 1e-4) << slice.name << " has no gradient to test";
    for (std::int64_t i = 0; i < slice.size; ++i) {
      // Float sums over some hundred edges, and the differences in batch norm's backward.
      EXPECT_NEAR(grad[slice.offset + i], expected[i], 1e-3 * largest) << slice.name << " " << i;
    }
  }
}

TEST_P(TrainingPassCase, GivesTheSameBitsWithAnyThreadsAndAfterOtherBatches) {
  const std::vector<float> grad_y(num_values(), 0.5F);
  std::vector<float> first;
  for (const int threads : {1, 2, 3}) {
    set_num_threads(threads);
    TrainingPass pass = make_pass();
    std::vector<float> buffers = model_.buffers;
    const edm::FeatureBatch other = random_jets({40, 3, 60}, 50, model_.config.inputs());
    std::vector<float> y(static_cast<std::size_t>(3 * num_outputs(model_.config)));
    pass.forward(model_.parameters, buffers, other.view(), 1, y);
    buffers = model_.buffers;
    std::vector<float> result = forward(pass, buffers);
    std::vector<float> grad(model_.parameters.size());
    pass.backward(model_.parameters, grad_y, grad);
    result.insert(result.end(), grad.begin(), grad.end());
    result.insert(result.end(), buffers.begin(), buffers.end());
    if (first.empty()) first = result;
    EXPECT_EQ(result, first) << threads;
  }
}

INSTANTIATE_TEST_SUITE_P(
    Networks, TrainingPassCase,
    ::testing::Values(Case{"pfn", Network::Pfn, 0, false},
                      Case{"pfn_dropout_standardised", Network::Pfn, 0.3, true},
                      Case{"pfn_beyond", Network::Pfn, 0.3, true, true},
                      Case{"particlenet_beyond", Network::ParticleNet, 0.3, true, true},
                      Case{"transformer_beyond", Network::ParticleTransformer, 0.3, true, true},
                      Case{"particlenet", Network::ParticleNet, 0, false},
                      Case{"particlenet_dropout_standardised", Network::ParticleNet, 0.3, true},
                      Case{"transformer", Network::ParticleTransformer, 0, false},
                      Case{"transformer_dropout_standardised", Network::ParticleTransformer, 0.3,
                           true}),
    [](const auto& info) { return info.param.name; });

TEST(TrainingPass, EqualsThePredictorOnceRunningStatisticsAreThoseOfTheBatch) {
  Model model = random_model(tiny(Network::ParticleNet), 61);
  const edm::FeatureBatch jets = random_jets({20, 31, 3, 12, 40, 9}, 62);
  ReferenceNetwork reference(model);
  reference.use_batch_statistics();
  reference.run(jets.view());
  TrainingPass pass(model.config, model.standardisation);
  std::vector<float> buffers = model.buffers;
  std::vector<float> y(6);
  pass.forward(model.parameters, buffers, jets.view(), 0, y);
  for (const auto& [name, batch] : reference.statistics()) {
    for (const TensorSlice& slice : model.layout.buffers) {
      const bool mean = slice.name == name + ".running_mean";
      if (!mean && slice.name != name + ".running_var") continue;
      for (std::int64_t c = 0; c < slice.size; ++c) {
        model.buffers[slice.offset + c] =
            static_cast<float>(mean ? batch.mean[c] : batch.variance[c]);
      }
    }
  }
  std::vector<float> predicted(6);
  Predictor(model).predict(jets.view(), predicted);
  for (int jet = 0; jet < 6; ++jet) {
    EXPECT_NEAR(y[jet], predicted[jet], 2e-5 * (1 + std::abs(y[jet]))) << jet;
  }
}

TEST(TrainingPass, DropsOutAnewForEverySeed) {
  ModelConfig config = tiny(Network::Pfn);
  config.dropout = 0.4;
  const Model model = random_model(config, 63);
  const edm::FeatureBatch jets = random_jets({5, 6, 7, 8}, 64);
  TrainingPass pass(config, {});
  std::vector<float> buffers;
  const auto run = [&](std::uint64_t seed) {
    std::vector<float> y(4);
    pass.forward(model.parameters, buffers, jets.view(), seed, y);
    return y;
  };
  EXPECT_EQ(run(1), run(1));
  EXPECT_NE(run(1), run(2));
}

TEST(TrainingPass, TakesBatchesWithoutEdgesOrParticles) {
  for (const Network network : {Network::Pfn, Network::ParticleNet, Network::ParticleTransformer}) {
    const Model model = random_model(tiny(network), 65);
    for (const std::vector<std::int64_t>& sizes :
         {std::vector<std::int64_t>{1, 1, 1}, {0, 0}, {1}, {0, 2}}) {
      const edm::FeatureBatch jets = random_jets(sizes, 66);
      TrainingPass pass(model.config, {});
      std::vector<float> buffers = model.buffers;
      std::vector<float> y(sizes.size());
      std::vector<float> grad(model.parameters.size());
      pass.forward(model.parameters, buffers, jets.view(), 0, y);
      pass.backward(model.parameters, y, grad);
      for (const std::vector<float>* values : {&y, &grad, &buffers}) {
        for (const float value : *values) ASSERT_TRUE(std::isfinite(value)) << sizes.size();
      }
    }
  }
}

TEST(TrainingPass, RefusesWrongSizesAndBackwardBeforeForward) {
  const Model model = random_model(tiny(Network::Pfn), 67);
  const edm::FeatureBatch jets = random_jets({5, 6}, 68);
  TrainingPass pass(model.config, {});
  std::vector<float> buffers;
  std::vector<float> y(2);
  std::vector<float> grad(model.parameters.size());
  EXPECT_THROW(pass.backward(model.parameters, y, grad), Error);
  y.resize(3);
  EXPECT_THROW(pass.forward(model.parameters, buffers, jets.view(), 0, y), Error);
  y.resize(2);
  EXPECT_THROW(pass.forward(buffers, buffers, jets.view(), 0, y), Error);
  pass.forward(model.parameters, buffers, jets.view(), 0, y);
  std::vector<float> short_grad(grad.size() - 1);
  EXPECT_THROW(pass.backward(model.parameters, y, short_grad), Error);
  pass.backward(model.parameters, y, grad);
  EXPECT_THROW(pass.backward(model.parameters, y, grad), Error);  // once per forward
}

}  // namespace
}  // namespace jetcal::models
