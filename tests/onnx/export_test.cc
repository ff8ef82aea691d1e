// SPDX-License-Identifier: Apache-2.0
#include "jetcal/onnx/export.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <array>

#include "jetcal/base/error.h"
#include "jetcal/base/files.h"
#include "jetcal/base/random.h"
#include "jetcal/base/temporary_folder.h"

#ifdef JETCAL_HAS_ENGINE
#include <cstring>
#include <limits>

#include "jetcal/engine/padded_batch.h"
#include "jetcal/engine/sample_jets.h"
#include "jetcal/engine/verify.h"
#include "jetcal/models/predictor.h"
#endif

namespace jetcal::onnx {
namespace {

namespace fs = std::filesystem;
using models::Dense;
using models::FoldedModel;
using models::Model;
using models::ModelConfig;
using models::Network;

ModelConfig small(Network network, bool standardise = false) {
  ModelConfig config;
  config.network = network;
  config.standardise = standardise;
  config.particle_layers = 2;
  config.particle_units = 12;
  config.edge_blocks = 2;
  config.neighbors = 4;
  config.edge_layers = 2;
  config.edge_units = 10;
  config.attention_blocks = 2;
  config.attention_heads = 3;
  config.attention_units = 12;
  config.feed_forward_units = 10;
  config.head_layers = 2;
  config.head_units = 16;
  return config;
}

// Batch norms with statistics that differ from 0 and 1, and a standardisation where asked for.
Model random_model(const ModelConfig& config, std::uint64_t seed) {
  Model model = models::initialise(config, seed);
  Rng rng(seed);
  for (float& value : model.buffers) value += static_cast<float>(0.5 * rng.uniform());
  if (config.standardise) {
    const auto fill = [&rng](std::size_t size, double low) {
      std::vector<float> values(size);
      for (float& value : values) value = static_cast<float>(low + rng.uniform());
      return values;
    };
    model.standardisation = {fill(6, -0.5), fill(6, 0.5), fill(8, -0.5), fill(8, 0.5),
                             fill(6, -1.5), fill(6, 0.5), fill(8, -1.5), fill(8, 0.5)};
  }
  return model;
}

Dense dense(std::int64_t in, std::int64_t out, std::vector<float> weight,
            std::vector<float> bias = {}) {
  if (bias.empty()) bias.assign(out, 0);
  return {in, out, std::move(weight), std::move(bias)};
}

// Picks one of `in` channels.
Dense pick(std::int64_t in, std::int64_t channel, float scale = 1) {
  std::vector<float> weight(in, 0);
  weight[channel] = scale;
  return dense(in, 1, weight);
}

TEST(Export, GivesTheSameBytesEveryTime) {
  const Model model = random_model(small(Network::ParticleNet), 1);
  const FoldedModel folded = models::fold(model);
  EXPECT_EQ(export_graph(folded, export_metadata(model)),
            export_graph(folded, export_metadata(model)));
}

TEST(Export, SaysWhereTheModelCameFrom) {
  Model model = random_model(small(Network::Pfn), 1);
  model.provenance["run"] = "pfn-0a1b2c";
  const auto metadata = export_metadata(model);
  EXPECT_EQ(metadata.at("fingerprint"), models::fingerprint(model));
  EXPECT_EQ(metadata.at("input_mode"), "paper");
  EXPECT_EQ(metadata.at("provenance.run"), "pfn-0a1b2c");
  EXPECT_THAT(metadata.at("config"), testing::HasSubstr("\"particle_units\":12"));
}

TEST(Export, WritesNothingWhereItCannot) {
  const TemporaryFolder folder;
  const fs::path file = folder / "model.onnx";
  write_file(file, "not a folder");
  EXPECT_THROW(export_model(random_model(small(Network::Pfn), 1), file / "model.onnx"), Error);
  EXPECT_EQ(read_file(file), "not a folder");
}

#ifdef JETCAL_HAS_ENGINE

std::vector<float> run(const engine::OnnxSession& session, const edm::FeatureView& jets,
                       std::int64_t slots, Network network) {
  const std::vector<engine::Tensor> tensors = engine::pad(jets, slots, network);
  std::vector<engine::TensorView> views;
  for (const engine::Tensor& tensor : tensors) views.push_back(tensor.view());
  const std::vector<engine::Tensor> outputs = session.run(views);
  EXPECT_EQ(outputs.front().shape, (std::vector<std::int64_t>{jets.num_jets(), 1}));
  std::vector<float> y(jets.num_jets());
  EXPECT_EQ(outputs.front().data.size(), y.size() * sizeof(float));
  std::memcpy(y.data(), outputs.front().data.data(), outputs.front().data.size());
  return y;
}

void append_jet(edm::FeatureBatch& batch, const std::vector<std::array<float, 3>>& particles) {
  for (const auto& [x, y, value] : particles) {
    batch.points.insert(batch.points.end(), {x, y});
    batch.particles.insert(batch.particles.end(), {value, 0, x, y, 0, 0});
  }
  batch.offsets.push_back(batch.offsets.back() + static_cast<std::int64_t>(particles.size()));
  batch.jets.insert(batch.jets.end(), {1, 2, 3, 4, 5, 6, 7, 8});
}

TEST(Export, PfnSumsRealParticles) {
  FoldedModel network;
  network.config.network = Network::Pfn;
  network.particle_layers.push_back(pick(6, 0));
  network.particle_layers.back().bias = {10};  // a particle counts 10 more, padding must not
  network.head.push_back(dense(9, 1, {1, 0, 100, 0, 0, 0, 0, 0, 0}, {0.5F}));
  const TemporaryFolder folder;
  const fs::path file = folder / "model.onnx";
  write_file(file, export_graph(network));
  edm::FeatureBatch jets;
  append_jet(jets, {{0, 0, 1}, {0, 0, 2}, {0, 0, -50}});
  append_jet(jets, {});
  const engine::OnnxSession session(file);
  EXPECT_THAT(run(session, jets.view(), 5, Network::Pfn),
              testing::ElementsAre(11 + 12 + 0 + 200.5F, 200.5F));
}

// One block whose edges carry the neighbor's value, without shortcut: the output is the mean over
// particles of the mean value of their nearest neighbors.
FoldedModel neighbor_mean(int neighbors) {
  FoldedModel network;
  network.config.network = Network::ParticleNet;
  network.config.neighbors = neighbors;
  network.particle_layers.push_back(pick(6, 0));
  models::FoldedEdgeBlock block;
  block.center = pick(1, 0, 0);
  block.neighbor = pick(1, 0);
  block.shortcut = pick(1, 0, 0);
  network.blocks.push_back(block);
  network.head.push_back(pick(9, 0));
  return network;
}

TEST(Export, EdgesGoToTheNearestOthersThatExist) {
  const TemporaryFolder folder;
  const fs::path file = folder / "model.onnx";
  write_file(file, export_graph(neighbor_mean(2)));
  edm::FeatureBatch jets;
  // On a line at 0, 1, 3, 7: neighbors {1,3}, {0,3}, {1,0}, {3,1}.
  append_jet(jets, {{0, 0, 1}, {1, 0, 2}, {3, 0, 4}, {7, 0, 8}});
  append_jet(jets, {{0, 0, 6}, {5, 0, 3}});  // one neighbor each
  append_jet(jets, {{0, 0, 6}});             // none
  append_jet(jets, {});
  const engine::OnnxSession session(file);
  for (const std::int64_t slots : {4, 5, 30})
    EXPECT_THAT(run(session, jets.view(), slots, Network::ParticleNet),
                testing::ElementsAre((3 + 2.5F + 1.5F + 3) / 4, 4.5F, 0, 0))
        << slots << " slots";
}

TEST(Export, EqualDistancesGoToTheLowerIndex) {
  const TemporaryFolder folder;
  const fs::path file = folder / "model.onnx";
  write_file(file, export_graph(neighbor_mean(1)));
  edm::FeatureBatch jets;
  // 1 and 2 lie equally far from 0, on both sides; 0 and 3 lie on the same place.
  append_jet(jets, {{0, 0, 1}, {0.1F, 0, 2}, {-0.1F, 0, 4}});
  append_jet(jets, {{0, 0, 1}, {0.25F, 0.5F, 2}, {0.5F, 0.25F, 4}, {0, 0, 8}});
  const engine::OnnxSession session(file);
  EXPECT_THAT(run(session, jets.view(), 4, Network::ParticleNet),
              testing::ElementsAre((2 + 1 + 1) / 3.0F, (8 + 4 + 2 + 1) / 4.0F));
}

struct Case {
  const char* name;
  Network network;
  bool standardise;
};

class ExportedNetwork : public testing::TestWithParam<Case> {
 protected:
  Model model_ = random_model(small(GetParam().network, GetParam().standardise), 7);
};

TEST_P(ExportedNetwork, AgreesWithTheNativePassAtEverySizeAndLevel) {
  const TemporaryFolder folder;
  const fs::path file = folder / "model.onnx";
  export_model(model_, file);
  engine::VerifyOptions options;
  options.batch_sizes = {1, 2, 7, 40};  // 100 is what `jetcal export --verify` does
  const engine::VerifyReport report = engine::verify_onnx(file, model_, options);
  EXPECT_EQ(report.cases.size(), 4U * 4U * 5U);
  // Sums of about 100 terms of size 1 in float; the contract with users is 1e-4 and 1e-5.
  EXPECT_LT(report.max_native, 1e-5);
  EXPECT_LT(report.max_padding, 1e-5);
  EXPECT_LT(report.max_order, 1e-5);
  EXPECT_TRUE(report.passed);
}

TEST_P(ExportedNetwork, VerifyFindsOtherWeights) {
  const TemporaryFolder folder;
  const fs::path file = folder / "model.onnx";
  export_model(model_, file);
  Model other = model_;
  other.parameters.front() += 0.5F;
  engine::VerifyOptions options;
  options.levels = {engine::GraphOptimization::All};
  options.slots = {7};
  const engine::VerifyReport report = engine::verify_onnx(file, other, options);
  EXPECT_GT(report.max_native, 1e-4);
  EXPECT_FALSE(report.passed);
}

TEST_P(ExportedNetwork, JetsWithFewerThanKNeighborsWorkAlone) {
  const TemporaryFolder folder;
  const fs::path file = folder / "model.onnx";
  export_model(model_, file);
  const models::Predictor predictor(model_);
  for (const int level : {0, 1, 2, 99}) {
    const engine::OnnxSession session(file, {static_cast<engine::GraphOptimization>(level), 1});
    for (const std::int64_t particles : {0, 1, 2, 3, 4, 5}) {
      const edm::FeatureBatch jet = engine::sample_jets(1, particles, particles, 3);
      std::vector<float> native(1);
      predictor.predict(jet.view(), native);
      for (const std::int64_t slots : {particles, particles + 1}) {
        const std::vector<float> y = run(session, jet.view(), slots, GetParam().network);
        EXPECT_NEAR(y[0], native[0], 1e-5)
            << particles << " particles in " << slots << " slots, level " << level;
      }
    }
  }
}

// A lattice is full of equal distances, in the plane exactly and among features nearly.
TEST_P(ExportedNetwork, TiesAgreeWithTheNativePass) {
  Model model = random_model(
      [&] {
        ModelConfig config = small(GetParam().network, GetParam().standardise);
        config.edge_blocks = 1;
        return config;
      }(),
      5);
  const TemporaryFolder folder;
  const fs::path file = folder / "model.onnx";
  export_model(model, file);
  edm::FeatureBatch jets;
  Rng rng(1);
  for (int j = 0; j < 20; ++j) {
    std::vector<std::array<float, 3>> particles;
    for (int i = 0; i < 30; ++i)
      particles.push_back({0.1F * static_cast<float>(rng.below(5)),
                           0.1F * static_cast<float>(rng.below(5)),
                           static_cast<float>(rng.normal())});
    append_jet(jets, particles);
  }
  std::vector<float> native(jets.num_jets());
  models::Predictor(model).predict(jets.view(), native);
  const engine::OnnxSession session(file);
  EXPECT_THAT(run(session, jets.view(), 33, GetParam().network),
              testing::Pointwise(testing::FloatNear(1e-5F), native));
}

TEST_P(ExportedNetwork, MaskMayHoldAnyNumberButZero) {
  const TemporaryFolder folder;
  const fs::path file = folder / "model.onnx";
  export_model(model_, file);
  const engine::OnnxSession session(file);
  const edm::FeatureBatch jets = engine::sample_jets(3, 2, 9, 4);
  const std::vector<float> plain = run(session, jets.view(), 12, GetParam().network);
  std::vector<engine::Tensor> tensors = engine::pad(jets.view(), 12, GetParam().network);
  std::vector<engine::TensorView> views;
  for (engine::Tensor& tensor : tensors) {
    if (tensor.name == "pf_mask") {
      auto* mask = reinterpret_cast<float*>(tensor.data.data());
      for (int i = 0; i < 3 * 12; ++i) mask[i] *= -0.25F;
    }
    views.push_back(tensor.view());
  }
  const std::vector<engine::Tensor> outputs = session.run(views);
  EXPECT_EQ(std::memcmp(outputs[0].data.data(), plain.data(), outputs[0].data.size()), 0);
}

INSTANTIATE_TEST_SUITE_P(Networks, ExportedNetwork,
                         testing::Values(Case{"Pfn", Network::Pfn, false},
                                         Case{"ParticleNet", Network::ParticleNet, false},
                                         Case{"StandardPfn", Network::Pfn, true},
                                         Case{"StandardParticleNet", Network::ParticleNet, true},
                                         Case{"Transformer", Network::ParticleTransformer, false},
                                         Case{"StandardTransformer", Network::ParticleTransformer,
                                              true}),
                         [](const auto& info) { return info.param.name; });

#endif

}  // namespace
}  // namespace jetcal::onnx
