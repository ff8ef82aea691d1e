// SPDX-License-Identifier: Apache-2.0
#include "jetcal/models/feature_bounds.h"

#include <gtest/gtest.h>

#include <cmath>
#include <filesystem>
#include <limits>
#include <vector>

#include "jetcal/base/error.h"
#include "jetcal/base/temporary_folder.h"
#include "jetcal/models/predictor.h"
#include "jetcal/models/training_pass.h"
#include "tests/models/random_jets.h"

namespace jetcal::models {
namespace {

TEST(BoundFeatures, ClipsEachFeatureOnItsOwn) {
  const float nan = std::numeric_limits<float>::quiet_NaN();
  const std::vector<float> x{-5, 5, 0, 0, nan, nan}, low{-1, -2}, high{1, 2};
  std::vector<float> y(x.size());
  bound_features(x, low, high, y.data());
  EXPECT_EQ(std::vector<float>(y.begin(), y.begin() + 4), (std::vector<float>{-1, 2, 0, 0}));
  EXPECT_TRUE(std::isnan(y[4]) && std::isnan(y[5]));
  bound_features(std::vector<float>{1e30F, -1e30F}, {}, {}, y.data());
  EXPECT_EQ(y[0], edm::kLargestFeature);
  EXPECT_EQ(y[1], -edm::kLargestFeature);
}

Model bounded_model(Network network) {
  const char* const name = network == Network::Pfn           ? "small-pfn"
                           : network == Network::ParticleNet ? "small-particlenet"
                                                             : "small-transformer";
  ModelConfig config = preset(name);
  config.standardise = true;
  config.dropout = 0;
  Model model = initialise(config, 3);
  Standardisation& shifts = model.standardisation;
  shifts.particle_mean.assign(edm::kNumParticleFeatures, 0.1F);
  shifts.particle_deviation.assign(edm::kNumParticleFeatures, 2.0F);
  shifts.jet_mean.assign(edm::kNumJetFeatures, -0.2F);
  shifts.jet_deviation.assign(edm::kNumJetFeatures, 0.5F);
  shifts.particle_low.assign(edm::kNumParticleFeatures, -0.3F);
  shifts.particle_high.assign(edm::kNumParticleFeatures, 0.4F);
  shifts.jet_low.assign(edm::kNumJetFeatures, -0.5F);
  shifts.jet_high.assign(edm::kNumJetFeatures, 0.25F);
  return model;
}

class BoundsOf : public testing::TestWithParam<Network> {};

TEST_P(BoundsOf, AreThoseOfFeaturesClippedBefore) {
  const Model model = bounded_model(GetParam());
  Model unbounded = model;
  unbounded.standardisation.particle_low.clear();
  unbounded.standardisation.particle_high.clear();
  unbounded.standardisation.jet_low.clear();
  unbounded.standardisation.jet_high.clear();
  const edm::FeatureBatch jets = random_jets({1, 5, 0, 40, 17, 3, 9, 22, 2, 60}, 7);
  edm::FeatureBatch clipped = jets;
  for (float& x : clipped.particles) x = std::min(std::max(x, -0.3F), 0.4F);
  for (float& x : clipped.jets) x = std::min(std::max(x, -0.5F), 0.25F);
  ASSERT_NE(jets.particles, clipped.particles);
  std::vector<float> y(10), wanted(10), plain(10);
  Predictor(model).predict(jets.view(), y);
  Predictor(unbounded).predict(clipped.view(), wanted);
  // The pairs of the transformer are made of features before the bounds.
  if (GetParam() != Network::ParticleTransformer) {
    EXPECT_EQ(y, wanted);
  }
  Predictor(unbounded).predict(jets.view(), plain);
  EXPECT_NE(y, plain);
  const std::vector<float> native = y;

  TrainingPass pass(model.config, model.standardisation);
  TrainingPass reference(model.config, unbounded.standardisation);
  std::vector<float> buffers = model.buffers, reference_buffers = model.buffers;
  pass.forward(model.parameters, buffers, jets.view(), 1, y);
  reference.forward(model.parameters, reference_buffers, clipped.view(), 1, wanted);
  if (GetParam() != Network::ParticleTransformer) {
    EXPECT_EQ(y, wanted);
    return;
  }
  for (std::size_t i = 0; i < y.size(); ++i) EXPECT_NEAR(y[i], native[i], 1e-5) << i;
}

TEST_P(BoundsOf, AreKeptInTheFileAndTheFingerprint) {
  const Model model = bounded_model(GetParam());
  const TemporaryFolder folder;
  const auto path = folder / "model.jetcal";
  save_model(model, path);
  const Model loaded = load_model(path);
  EXPECT_EQ(loaded.standardisation.particle_low, model.standardisation.particle_low);
  EXPECT_EQ(loaded.standardisation.jet_high, model.standardisation.jet_high);
  EXPECT_EQ(fingerprint(loaded), fingerprint(model));
  Model other = model;
  other.standardisation.jet_high[2] = 0.5F;
  EXPECT_NE(fingerprint(other), fingerprint(model));
  other.standardisation.jet_high[2] = -0.75F;  // below its lower bound
  EXPECT_THROW(save_model(other, path), Error);
}

INSTANTIATE_TEST_SUITE_P(Networks, BoundsOf,
                         testing::Values(Network::Pfn, Network::ParticleNet,
                                         Network::ParticleTransformer),
                         [](const auto& info) { return std::string(network_name(info.param)); });

TEST(ClipCounts, CountsEachFeature) {
  const Model model = bounded_model(Network::Pfn);
  edm::FeatureBatch jets;
  jets.offsets = {0, 1};
  jets.particles = {0, 1, -1, 0.4F, -0.3F, 0};
  jets.points = {0, 0};
  jets.jets = {1, 0, 0, 0, 0, 0, 0, -1};
  ClipCounts counts;
  counts.add(model.standardisation, jets.view());
  counts.add(model.standardisation, jets.view());
  EXPECT_EQ(counts.particles, (std::vector<std::int64_t>{0, 2, 2, 0, 0, 0}));
  EXPECT_EQ(counts.jets, (std::vector<std::int64_t>{2, 0, 0, 0, 0, 0, 0, 2}));
  ClipCounts none;
  none.add(Standardisation{}, jets.view());
  EXPECT_TRUE(none.particles.empty());
}

}  // namespace
}  // namespace jetcal::models
