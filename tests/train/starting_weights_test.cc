// SPDX-License-Identifier: Apache-2.0
#include "jetcal/train/starting_weights.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "jetcal/base/error.h"

namespace jetcal::train {
namespace {

using testing::HasSubstr;

models::ModelConfig config(int head_units = 8) {
  models::ModelConfig config;
  config.network = models::Network::ParticleNet;
  config.edge_blocks = 2;
  config.neighbors = 3;
  config.edge_layers = 1;
  config.edge_units = 6;
  config.head_layers = 1;
  config.head_units = head_units;
  return config;
}

models::Model source() {
  models::Model model = models::initialise(config(), 5);
  for (float& value : model.buffers) value += 0.25F;
  return model;
}

std::string complaint(const models::Model& from, const std::vector<std::string>& exclude,
                      models::Model to) {
  try {
    take_weights(from, exclude, to);
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::InvalidArgument);
    return error.what();
  }
  return "none";
}

TEST(StartingWeights, AreTheOtherModels) {
  models::Model model = models::initialise(config(), 6);
  take_weights(source(), {}, model);
  EXPECT_EQ(model.parameters, source().parameters);
  EXPECT_EQ(model.buffers, source().buffers);
}

TEST(StartingWeights, StayRandomWhereExcluded) {
  models::Model model = models::initialise(config(16), 6);
  const models::Model before = model;
  take_weights(source(), {"head*"}, model);
  const auto equal = [](std::span<const float> a, std::span<const float> b) {
    return std::equal(a.begin(), a.end(), b.begin(), b.end());
  };
  for (const models::TensorSlice& slice : model.layout.parameters) {
    const bool head = slice.name.starts_with("head");
    EXPECT_TRUE(
        equal(model.parameter(slice.name), (head ? before : source()).parameter(slice.name)))
        << slice.name;
  }
}

TEST(StartingWeights, SizesThatDifferAreNamed) {
  EXPECT_THAT(complaint(source(), {}, models::initialise(config(16), 1)),
              HasSubstr("tensor 'head0.weight' has the shape [8, 14] in the model to start from "
                        "and [16, 14] here"));
}

TEST(StartingWeights, TensorsThatAreMissingAreNamed) {
  models::ModelConfig smaller = config();
  smaller.edge_blocks = 1;
  EXPECT_THAT(complaint(source(), {}, models::initialise(smaller, 1)),
              HasSubstr("this network has no tensor 'block1."));
  EXPECT_THAT(complaint(models::initialise(smaller, 1), {}, source()),
              HasSubstr("the model to start from has no tensor 'block1."));
  EXPECT_EQ(complaint(source(), {"block1.*"}, models::initialise(smaller, 1)), "none");
}

TEST(StartingWeights, PatternsAndStandardisationMustFit) {
  EXPECT_THAT(complaint(source(), {"tail*"}, source()), HasSubstr("no tensor matches 'tail*'"));
  models::ModelConfig standardised = config();
  standardised.standardise = true;
  EXPECT_THAT(complaint(source(), {}, models::initialise(standardised, 1)),
              HasSubstr("does not standardise its inputs, this network does"));
}

}  // namespace
}  // namespace jetcal::train
