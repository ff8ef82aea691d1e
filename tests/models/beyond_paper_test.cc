// SPDX-License-Identifier: Apache-2.0
// Configurations beyond the paper: predictions against the definition, files, calibration.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <filesystem>
#include <nlohmann/json.hpp>

#include "jetcal/base/error.h"
#include "jetcal/base/temporary_folder.h"
#include "jetcal/models/head.h"
#include "jetcal/models/predictor.h"
#include "tests/models/random_jets.h"
#include "tests/models/reference_network.h"

namespace jetcal::models {
namespace {

constexpr std::array kAllHeads{Head::Value, Head::Quantiles, Head::Gaussian, Head::Laplace,
                               Head::Mixture};

Calibration some_calibration() {
  return {{{1.3F}, {-1.0F, 0.5F, 2.0F}, {0.1F, -0.2F, 0.3F, 0.05F, 0.15F, -0.1F}},
          {{}, {0.0F, 1.0F}, {1.5F, 0.8F}}};
}

// A network whose last layer is not zero, as one that was trained.
Model trained_model(const ModelConfig& config, std::uint64_t seed) {
  Model model = random_model(config, seed);
  Rng rng(seed);
  const std::int64_t last = num_outputs(config) * (config.head_units + 1);
  for (std::int64_t i = 0; i < last; ++i)
    model.parameters[model.parameters.size() - 1 - i] = static_cast<float>(0.3 * rng.normal());
  return model;
}

struct Case {
  std::string name;
  ModelConfig config;
  friend std::ostream& operator<<(std::ostream& out, const Case& test) { return out << test.name; }
};

std::vector<Case> cases() {
  std::vector<Case> all;
  for (const Network network : {Network::Pfn, Network::ParticleNet, Network::ParticleTransformer}) {
    const std::string name(network_name(network));
    for (const Head head : kAllHeads) {
      all.push_back({name + "_" + std::string(head_name(head)), tiny(network)});
      all.back().config.head = head;
    }
    for (const Pooling pooling : {Pooling::Sum, Pooling::Mean, Pooling::PaddedMean}) {
      std::string pool(pooling_name(pooling));
      std::replace(pool.begin(), pool.end(), '-', '_');
      all.push_back({name + "_" + pool, tiny(network)});
      all.back().config.pooling = pooling;
    }
    all.push_back({name + "_beyond", beyond_paper(tiny(network))});
    all.back().config.standardise = true;
    all.push_back({name + "_without_skip", all.back().config});
    all.back().config.skip = false;
  }
  return all;
}

class BeyondPaper : public ::testing::TestWithParam<Case> {};

TEST_P(BeyondPaper, PredictionsAgreeWithTheDefinition) {
  const ModelConfig& config = GetParam().config;
  Model model = trained_model(config, 21);
  model.calibration = some_calibration();
  const edm::FeatureBatch jets = random_jets({0, 1, 2, 5, 17, 40, 3, 100, 8}, 4, config.inputs());
  const std::vector<double> outputs = ReferenceNetwork(model).run(jets.view());
  const auto count = static_cast<std::size_t>(jets.num_jets());
  std::vector<float> y(count);
  std::vector<float> resolution(count);
  const Predictor predictor(model);
  if (has_resolution(config)) {
    predictor.predict(jets.view(), y, resolution);
  } else {
    predictor.predict(jets.view(), y);
    EXPECT_THROW(predictor.predict(jets.view(), y, resolution), Error);
  }
  const std::int64_t width = num_outputs(config);
  const bool skip = config.target == edm::Reference::Raw && config.skip;
  for (std::size_t jet = 0; jet < count; ++jet) {
    std::vector<float> own(outputs.begin() + jet * width, outputs.begin() + (jet + 1) * width);
    float expected = 0;
    float expected_resolution = 0;
    read_head(config.head, std::span(own).first(num_head_outputs(config.head)), {&expected, 1},
              {&expected_resolution, 1});
    const float* const features = jets.jets.data() + jet * jets.jet_features;
    if (skip) expected += features[jets.jet_features - 1];
    const float log_pt = features[0] + expected;
    expected += model.calibration.closure.at(features[1], log_pt);
    expected_resolution *= model.calibration.resolution.at(features[1], log_pt);
    EXPECT_NEAR(y[jet], expected, 5e-4 * (1 + std::abs(expected))) << jet;
    if (has_resolution(config)) {
      EXPECT_NEAR(resolution[jet], expected_resolution, 5e-4 * (1 + expected_resolution)) << jet;
      EXPECT_GT(resolution[jet], 0);
    }
  }
}

TEST_P(BeyondPaper, FilesGiveBackTheModel) {
  Model model = trained_model(GetParam().config, 22);
  model.calibration = some_calibration();
  const TemporaryFolder folder;
  const auto path = folder / "model.jetcal";
  save_model(model, path);
  const Model loaded = load_model(path);
  EXPECT_EQ(loaded.config, model.config);
  EXPECT_EQ(loaded.parameters, model.parameters);
  EXPECT_EQ(loaded.standardisation.jet_mean, model.standardisation.jet_mean);
  EXPECT_EQ(loaded.calibration, model.calibration);
  EXPECT_EQ(fingerprint(loaded), fingerprint(model));
  Model other = model;
  other.calibration.resolution.values[0] += 0.5F;
  EXPECT_NE(fingerprint(other), fingerprint(model));
}

INSTANTIATE_TEST_SUITE_P(Configurations, BeyondPaper, ::testing::ValuesIn(cases()),
                         [](const auto& info) { return info.param.name; });

TEST(ModelConfigBeyondPaper, PublishedNetworksSayNothingOfIt) {
  const nlohmann::json json = to_json(preset("paper-pfn"));
  for (const char* const field : {"features", "target", "skip", "head", "pooling", "norm"})
    EXPECT_FALSE(json.contains(field)) << field;
  const ModelConfig config = beyond_paper(tiny(Network::Pfn));
  EXPECT_EQ(model_config_from_json(to_json(config)), config);
  EXPECT_THROW(parse_head("mean"), Error);
  EXPECT_THROW(parse_pooling("max"), Error);
  EXPECT_THROW(parse_norm("layer"), Error);
}

TEST(ModelConfigBeyondPaper, ANetworkWithSkipStartsAtTheConventionalCorrection) {
  for (const Network network : {Network::Pfn, Network::ParticleNet}) {
    ModelConfig config = tiny(network);
    config.target = edm::Reference::Raw;
    const edm::FeatureBatch jets = random_jets({5, 0, 12}, 9, config.inputs());
    std::vector<float> y(3);
    Predictor(initialise(config, 1)).predict(jets.view(), y);
    for (int jet = 0; jet < 3; ++jet) EXPECT_EQ(y[jet], jets.jets[jet * 9 + 8]);
  }
}

TEST(Head, QuantilesNeverCross) {
  Rng rng(5);
  for (int round = 0; round < 1000; ++round) {
    std::array<float, 5> outputs{};
    for (float& output : outputs) output = static_cast<float>(20 * rng.normal());
    const std::array<double, 5> quantiles = read_quantiles(outputs);
    EXPECT_TRUE(std::is_sorted(quantiles.begin(), quantiles.end()));
    EXPECT_EQ(quantiles[2], outputs[2]);
  }
}

TEST(Calibration, IsLinearBetweenKnotsAndConstantBeyond) {
  const PtEtaTable table = some_calibration().closure;
  EXPECT_FLOAT_EQ(table.at(0.2F, -5), 0.1F);
  EXPECT_FLOAT_EQ(table.at(-1.2F, 0.5F), -0.2F);
  EXPECT_NEAR(table.at(1.29F, 1.25F), 0.05, 1e-6);
  EXPECT_FLOAT_EQ(table.at(-1.3F, 9), -0.1F);
}

TEST(Calibration, RefusesWhatCannotBeUsed) {
  Calibration calibration = some_calibration();
  EXPECT_NO_THROW(require_usable(calibration, "test"));
  calibration.resolution.values[1] = 0;
  EXPECT_THROW(require_usable(calibration, "test"), Error);
  calibration = some_calibration();
  calibration.closure.knots[1] = calibration.closure.knots[0];
  EXPECT_THROW(require_usable(calibration, "test"), Error);
}

}  // namespace
}  // namespace jetcal::models
