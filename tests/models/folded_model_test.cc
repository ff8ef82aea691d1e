// SPDX-License-Identifier: Apache-2.0
#include "jetcal/models/folded_model.h"

#include <gtest/gtest.h>

#include <cmath>

#include "tests/models/random_jets.h"

namespace jetcal::models {
namespace {

// y = W x + b of one row, in double.
std::vector<double> run_dense(const Dense& dense, const std::vector<double>& x) {
  std::vector<double> y(dense.bias.begin(), dense.bias.end());
  for (std::int64_t row = 0; row < dense.out; ++row) {
    for (std::int64_t c = 0; c < dense.in; ++c) y[row] += dense.weight[row * dense.in + c] * x[c];
  }
  return y;
}

std::vector<double> random_row(std::int64_t size, Rng& rng) {
  std::vector<double> row(static_cast<std::size_t>(size));
  for (double& value : row) value = rng.normal();
  return row;
}

TEST(FoldedModel, HasTheShapesOfTheNetwork) {
  const FoldedModel pfn = fold(initialise(preset("paper-pfn"), 1));
  ASSERT_EQ(pfn.particle_layers.size(), 5U);
  EXPECT_EQ(pfn.particle_layers.front().in, 6);
  EXPECT_EQ(pfn.particle_layers.back().out, 50);
  EXPECT_TRUE(pfn.blocks.empty());
  ASSERT_EQ(pfn.head.size(), 4U);
  EXPECT_EQ(pfn.head.front().in, 58);
  EXPECT_EQ(pfn.head.back().out, 1);

  const FoldedModel particlenet = fold(initialise(preset("paper-particlenet"), 1));
  ASSERT_EQ(particlenet.particle_layers.size(), 1U);
  EXPECT_EQ(particlenet.particle_layers.front().out, kFeatureConvUnits);
  ASSERT_EQ(particlenet.blocks.size(), 3U);
  EXPECT_TRUE(particlenet.blocks[0].shortcut.has_value());
  EXPECT_FALSE(particlenet.blocks[1].shortcut.has_value());
  EXPECT_EQ(particlenet.blocks[0].center.in, kFeatureConvUnits);
  EXPECT_EQ(particlenet.blocks[2].layers.size(), 2U);
}

TEST(FoldedModel, FactoredFirstLayerEqualsTheEdgeLayer) {
  const Model model = random_model(tiny(Network::ParticleNet), 2);
  const FoldedEdgeBlock block = fold(model).blocks[1];
  Rng rng(3);
  const std::vector<double> x_i = random_row(7, rng);
  const std::vector<double> x_j = random_row(7, rng);
  const std::vector<double> center = run_dense(block.center, x_i);
  const std::vector<double> neighbor = run_dense(block.neighbor, x_j);
  const std::span<const float> weight = model.parameter("block1.edge0.weight");  // [7, 14]
  for (int row = 0; row < 7; ++row) {
    double value = 0;
    for (int c = 0; c < 7; ++c) {
      value += weight[row * 14 + c] * x_i[c] + weight[row * 14 + 7 + c] * (x_j[c] - x_i[c]);
    }
    const double expected =
        (value - model.buffer("block1.edge0.norm.running_mean")[row]) /
            std::sqrt(model.buffer("block1.edge0.norm.running_var")[row] + 1e-5) *
            model.parameter("block1.edge0.norm.weight")[row] +
        model.parameter("block1.edge0.norm.bias")[row];
    EXPECT_NEAR(center[row] + neighbor[row], expected, 1e-5);
    EXPECT_EQ(block.neighbor.bias[row], 0.0F);
  }
}

TEST(FoldedModel, LayerBehindALayerNormTakesOverItsScaleAndShift) {
  const Model model = random_model(tiny(Network::ParticleTransformer), 6);
  const FoldedModel folded = fold(model);
  ASSERT_TRUE(folded.transformer.has_value());
  ASSERT_EQ(folded.transformer->blocks.size(), 2U);
  EXPECT_EQ(folded.transformer->embedding.size(), 2U);
  EXPECT_EQ(folded.transformer->scale.size(), 10U);
  const Dense& qkv = folded.transformer->blocks[1].qkv;
  Rng rng(7);
  const std::vector<double> normal = random_row(10, rng);
  const std::span<const float> weight = model.parameter("attention1.qkv.weight");  // [30, 10]
  const std::vector<double> y = run_dense(qkv, normal);
  for (int row = 0; row < 30; ++row) {
    double expected = model.parameter("attention1.qkv.bias")[row];
    for (int c = 0; c < 10; ++c) {
      expected += weight[row * 10 + c] * (model.parameter("attention1.norm.weight")[c] * normal[c] +
                                          model.parameter("attention1.norm.bias")[c]);
    }
    EXPECT_NEAR(y[row], expected, 1e-5);
  }
}

TEST(FoldedModel, HeadStandardisesOnlyTheJetFeatures) {
  ModelConfig config = tiny(Network::Pfn);
  config.standardise = true;
  const Model model = random_model(config, 4);
  const Dense folded = fold(model).head.front();
  Rng rng(5);
  const std::vector<double> x = random_row(9 + 8, rng);
  std::vector<double> shifted = x;
  for (int c = 0; c < 8; ++c) {
    shifted[9 + c] = (x[9 + c] - static_cast<double>(model.standardisation.jet_mean[c])) /
                     model.standardisation.jet_deviation[c];
  }
  const std::span<const float> weight = model.parameter("head0.weight");
  const std::span<const float> bias = model.parameter("head0.bias");
  const Dense plain{17, 11, {weight.begin(), weight.end()}, {bias.begin(), bias.end()}};
  const std::vector<double> y = run_dense(folded, x);
  const std::vector<double> expected = run_dense(plain, shifted);
  for (int row = 0; row < 11; ++row) EXPECT_NEAR(y[row], expected[row], 1e-5);
}

}  // namespace
}  // namespace jetcal::models
