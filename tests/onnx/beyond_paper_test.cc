// SPDX-License-Identifier: Apache-2.0
// Networks beyond the paper: ONNX Runtime gives the same correction and resolution as the native
// pass.
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <string>
#include <vector>

#include "jetcal/base/files.h"
#include "jetcal/base/random.h"
#include "jetcal/base/temporary_folder.h"
#include "jetcal/onnx/export.h"
#include "jetcal/onnx/repository.h"
#ifdef JETCAL_HAS_ENGINE
#include "jetcal/engine/onnx_session.h"
#include "jetcal/engine/padded_batch.h"
#include "jetcal/engine/verify.h"
#endif

namespace jetcal::onnx {
namespace {

using models::Head;
using models::Model;
using models::ModelConfig;
using models::Network;

struct Case {
  std::string name;
  ModelConfig config;
  friend std::ostream& operator<<(std::ostream& out, const Case& test) { return out << test.name; }
};

std::vector<Case> cases() {
  std::vector<Case> all;
  for (const Head head : {Head::Quantiles, Head::Gaussian, Head::Laplace, Head::Mixture}) {
    for (const Network network : {Network::Pfn, Network::ParticleNet}) {
      ModelConfig config;
      config.network = network;
      config.particle_layers = 2;
      config.particle_units = 8;
      config.edge_blocks = 2;
      config.neighbors = 3;
      config.edge_layers = 2;
      config.edge_units = 6;
      config.head_layers = 1;
      config.head_units = 10;
      config.head = head;
      config.features = edm::FeatureSet::Extended;
      config.target = edm::Reference::Raw;
      config.norm = models::Norm::Batch;
      config.flavor_head = true;
      config.pooling = head == Head::Gaussian    ? models::Pooling::PaddedMean
                       : network == Network::Pfn ? models::Pooling::Mean
                                                 : models::Pooling::Sum;
      all.push_back(
          {std::string(models::network_name(network)) + "_" + std::string(models::head_name(head)),
           config});
    }
  }
  return all;
}

Model make_model(const ModelConfig& config) {
  Model model = models::initialise(config, 3);
  Rng rng(4);
  for (float& value : model.parameters) value += static_cast<float>(0.05 * rng.normal());
  model.calibration = {{{1.3F}, {3.5F, 4.5F, 6.0F}, {0.1F, -0.02F, 0.03F, 0.05F, 0.15F, -0.1F}},
                       {{0.8F, 1.3F}, {3.0F, 5.0F}, {1.5F, 0.8F, 1.2F, 1.1F, 0.9F, 1.0F}}};
  return model;
}

class BeyondPaper : public ::testing::TestWithParam<Case> {};

#ifdef JETCAL_HAS_ENGINE
TEST_P(BeyondPaper, OnnxRuntimeGivesTheNativeCorrectionAndResolution) {
  const Model model = make_model(GetParam().config);
  const TemporaryFolder folder;
  const auto file = folder / "model.onnx";
  export_model(model, file);
  const engine::OnnxSession session(file, {});
  ASSERT_EQ(session.outputs().size(), 2U);
  EXPECT_EQ(session.outputs()[1].name, "resolution");
  engine::VerifyOptions options;
  options.batch_sizes = {1, 7};
  options.slots = {1, 9, 40};
  const engine::VerifyReport report = engine::verify_onnx(file, model, options, {});
  EXPECT_TRUE(report.passed) << report.max_native << " " << report.max_padding << " "
                             << report.max_order;
  EXPECT_LT(report.max_native, 1e-4);
}
#endif

TEST_P(BeyondPaper, TheServersConfigurationNamesBothOutputs) {
  const std::string text = config_text(GetParam().config, "net");
  EXPECT_NE(text.find("output [ { name: \"resolution\" data_type: TYPE_FP32 dims: [ 1 ] } ]"),
            std::string::npos);
  EXPECT_NE(text.find("\"pf_features\" data_type: TYPE_FP32 dims: [ 17, -1 ]"), std::string::npos);
  EXPECT_NE(text.find("\"jet_features\" data_type: TYPE_FP32 dims: [ 11 ]"), std::string::npos);
  EXPECT_NE(text.find("key: \"jetcal_target\" value { string_value: \"raw\" }"), std::string::npos);
}

INSTANTIATE_TEST_SUITE_P(Networks, BeyondPaper, ::testing::ValuesIn(cases()),
                         [](const auto& info) { return info.param.name; });

}  // namespace
}  // namespace jetcal::onnx
