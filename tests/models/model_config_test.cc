// SPDX-License-Identifier: Apache-2.0
#include "jetcal/models/model_config.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "jetcal/base/error.h"
#include "jetcal/models/model.h"

namespace jetcal::models {
namespace {

using ::testing::HasSubstr;

template <typename Call>
std::string error_of(Call call) {
  try {
    call();
  } catch (const Error& error) {
    return std::string(error_code_name(error.code())) + ": " + error.what();
  }
  return "no error";
}

TEST(ModelConfig, BestNetworksHaveThePublishedParameters) {
  EXPECT_EQ(num_parameters(preset("paper-pfn")), 355351);
  EXPECT_EQ(num_parameters(preset("paper-particlenet")), 123469);
}

TEST(ModelConfig, BestNetworksHaveThePublishedMacs) {
  // Published as 1.374 M and 45.39 M; by hand from the layers:
  EXPECT_EQ(macs_padded(preset("paper-pfn")),
            100 * (6 * 50 + 4 * 50 * 50) + 58 * 400 + 2 * 400 * 400 + 400);
  EXPECT_EQ(macs_padded(preset("paper-pfn")), 1373600);
  EXPECT_EQ(macs_padded(preset("paper-particlenet")),
            100 * 6 * 32 + 1600 * (64 * 50 + 2 * 2500) + 100 * 32 * 50 +
                2 * 1600 * (100 * 50 + 2 * 2500) + 58 * 200 + 2 * 200 * 200 + 200);
  EXPECT_EQ(macs_padded(preset("paper-particlenet")), 45391000);
}

TEST(ModelConfig, RaggedMacsCountExistingNeighborsAndAFactoredFirstLayer) {
  const ModelConfig config = preset("paper-particlenet");
  const std::int64_t head = 58 * 200 + 2 * 200 * 200 + 200;
  const auto by_hand = [head](std::int64_t particles, std::int64_t edges) {
    return particles * (6 * 32 + 2 * 32 * 50 + 32 * 50 + 2 * 2 * 50 * 50) + edges * 3 * 2 * 2500 +
           head;
  };
  EXPECT_EQ(macs_ragged(config, 40), by_hand(40, 40 * 16));
  EXPECT_EQ(macs_ragged(config, 3), by_hand(3, 3 * 2));
  EXPECT_EQ(macs_ragged(config, 1), by_hand(1, 0));
  EXPECT_EQ(macs_ragged(config, 0), head);
  EXPECT_EQ(macs_ragged(preset("paper-pfn"), 100), macs_padded(preset("paper-pfn"), 100));
}

TEST(ModelConfig, TransformersHaveTheParametersAndMacsOfTheirLayers) {
  // Per block: two norms, q, k and v, pair weights, the layer behind, feed-forward.
  const std::int64_t block =
      2 * 2 * 64 + 64 * 192 + 192 + 4 * 4 + 64 * 64 + 64 + 64 * 128 + 128 + 128 * 64 + 64;
  const std::int64_t head = 72 * 100 + 100 + 100 * 100 + 100 + 100 + 1;
  const ModelConfig config = preset("transformer");
  EXPECT_EQ(num_parameters(config), 6 * 64 + 64 + 64 * 64 + 64 + 3 * block + 2 * 64 + head);
  EXPECT_EQ(num_parameters(config), 122701);
  const auto macs = [](std::int64_t n) {
    const std::int64_t of_particle = 6 * 64 + 64 * 64 + 3 * (64 * 192 + 64 * 64 + 2 * 64 * 128);
    const std::int64_t of_pair = 3 * (2 * 64 + 4 * 4);
    return n * of_particle + n * n * of_pair + 72 * 100 + 100 * 100 + 100;
  };
  EXPECT_EQ(macs_padded(config), macs(100));
  for (const std::int64_t n : {0, 1, 2, 40}) EXPECT_EQ(macs_ragged(config, n), macs(n)) << n;
}

// Files of older models carry fingerprints that are hashes of this text.
TEST(ModelConfig, OnlyTransformersWriteTheirFields) {
  EXPECT_FALSE(to_json(preset("paper-pfn")).contains("attention_units"));
  EXPECT_EQ(to_json(preset("small-transformer")).at("attention_units"), 32);
}

TEST(ModelConfig, EveryPresetIsValidAndSurvivesJson) {
  EXPECT_THAT(preset_names(),
              ::testing::IsSupersetOf({"paper-pfn", "paper-particlenet", "small-pfn",
                                       "small-particlenet", "transformer", "small-transformer"}));
  for (const std::string& name : preset_names()) {
    const ModelConfig config = preset(name);
    validate(config);
    EXPECT_EQ(model_config_from_json(to_json(config)), config) << name;
    EXPECT_EQ(make_layout(config).num_parameters, num_parameters(config)) << name;
  }
}

TEST(ModelConfig, AbsentFieldsKeepTheirDefaults) {
  EXPECT_EQ(model_config_from_json(nlohmann::json::object()), ModelConfig());
  const auto json = nlohmann::json::parse(R"({"network": "particlenet", "neighbors": 8})");
  ModelConfig expected;
  expected.network = Network::ParticleNet;
  expected.neighbors = 8;
  EXPECT_EQ(model_config_from_json(json), expected);
}

TEST(ModelConfig, MistakesAreNamed) {
  const auto parse = [](const char* text) {
    return error_of([text] { model_config_from_json(nlohmann::json::parse(text)); });
  };
  EXPECT_THAT(parse(R"({"unitz": 3})"), HasSubstr("unknown field 'unitz'"));
  EXPECT_THAT(parse(R"({"head_units": "many"})"), HasSubstr("head_units"));
  EXPECT_THAT(parse(R"({"head_units": 2.5})"), HasSubstr("head_units"));
  EXPECT_THAT(parse(R"({"head_units": 1000000000000})"), HasSubstr("head_units"));
  EXPECT_THAT(parse(R"({"neighbors": 0})"), HasSubstr("neighbors"));
  EXPECT_THAT(parse(R"({"dropout": 1})"), HasSubstr("dropout"));
  EXPECT_THAT(parse(R"({"dropout": []})"), HasSubstr("dropout"));
  EXPECT_THAT(parse(R"({"network": "transformer"})"), HasSubstr("transformer"));
  EXPECT_THAT(parse("[]"), HasSubstr("array"));
  EXPECT_THAT(error_of([] { preset("large"); }),
              ::testing::AllOf(HasSubstr("paper-pfn"), HasSubstr("small-particlenet")));
  EXPECT_THAT(parse(R"({"network": "particletransformer", "attention_heads": 5})"),
              HasSubstr("attention_units must be a multiple of attention_heads, got 64 for 5"));
  ModelConfig config;
  config.edge_layers = -1;
  EXPECT_THAT(error_of([&config] { validate(config); }), HasSubstr("edge_layers"));
}

}  // namespace
}  // namespace jetcal::models
