// SPDX-License-Identifier: Apache-2.0
// Hostile but finite jets through the networks, forward and backward, on every variant.
//
// JETCAL_ROBUSTNESS_JETS=1000000 runs a million (some minutes); the default is for every build.
#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <cstdlib>
#include <initializer_list>
#include <limits>
#include <span>
#include <string>
#include <vector>

#include "jetcal/base/cpu.h"
#include "jetcal/base/random.h"
#include "jetcal/kernels/isa.h"
#include "jetcal/models/predictor.h"
#include "jetcal/models/training_pass.h"
#include "tests/models/random_jets.h"

namespace jetcal::models {
namespace {

constexpr float kMax = std::numeric_limits<float>::max();
constexpr std::int64_t kBatch = 64;

std::int64_t jets_asked() {
  const char* const text = std::getenv("JETCAL_ROBUSTNESS_JETS");
  return text == nullptr ? 20000 : std::atoll(text);
}

// A quarter of the jets hold nothing strange; the others take many values from a short list.
float any_value(Rng& rng, float limit) {
  switch (rng.below(8)) {
    case 0:
      return 0;
    case 1:
      return rng.below(2) == 0 ? 0x1p-149F : -0x1p-127F;
    case 2:
      return rng.below(2) == 0 ? limit : -limit;
    case 3:  // any finite bits
      return std::clamp(
          std::bit_cast<float>(static_cast<std::int32_t>(rng.below(0x7F800000U)) |
                               (rng.below(2) == 0 ? 0 : std::numeric_limits<std::int32_t>::min())),
          -limit, limit);
    default:
      return static_cast<float>(rng.normal());
  }
}

std::int64_t any_size(Rng& rng) {
  switch (rng.below(4)) {
    case 0:
      return static_cast<std::int64_t>(rng.below(6));  // fewer than k neighbors, or none
    case 1:
      return static_cast<std::int64_t>(rng.below(301));
    default:
      return static_cast<std::int64_t>(rng.below(60));
  }
}

// Jets as a file may hold them.
edm::JetColumns hostile_jets(std::int64_t count, Rng& rng) {
  edm::JetColumns jets;
  for (std::int64_t jet = 0; jet < count; ++jet) {
    const std::int64_t size = any_size(rng);
    const bool strange = rng.below(4) != 0;
    const auto value = [&](float limit) {
      return strange ? any_value(rng, limit) : static_cast<float>(0.3 * rng.normal());
    };
#define JETCAL_ZERO(type, name) jets.name.push_back(type{});
    JETCAL_JET_COLUMNS(JETCAL_ZERO)
#undef JETCAL_ZERO
    jets.pt_reco.back() = std::max(std::abs(value(kMax)), 0x1p-149F);
    jets.pt_gen.back() = jets.pt_reco.back();
    for (std::vector<float>* const column :
         {&jets.eta, &jets.phi, &jets.mass, &jets.area, &jets.qg_pt_d, &jets.qg_axis2}) {
      column->back() = value(edm::kLargestFeature);  // ingest and the loader refuse what is beyond
    }
    const bool same_point = strange && rng.below(4) == 0;
    for (std::int64_t p = 0; p < size; ++p) {
      const bool repeat = same_point && p > 0;
      jets.pf_pt.push_back(strange ? std::abs(any_value(rng, kMax))
                                   : static_cast<float>(rng.exponential()));
      jets.pf_d_eta.push_back(repeat ? jets.pf_d_eta.back() : value(kMax));
      jets.pf_d_phi.push_back(repeat ? jets.pf_d_phi.back() : value(kMax));
      jets.pf_mass.push_back(0);
      jets.pf_id.push_back(211);
      jets.pf_from_pv.push_back(3);
      jets.pf_from_jet.push_back(1);
    }
    jets.offsets.push_back(jets.offsets.back() + size);
  }
  return jets;
}

// Features that a client may send: any finite number.
edm::FeatureBatch hostile_features(std::int64_t count, Rng& rng) {
  edm::FeatureBatch batch;
  const auto value = [&rng] { return any_value(rng, kMax); };
  for (std::int64_t jet = 0; jet < count; ++jet) {
    const std::int64_t size = any_size(rng);
    for (std::int64_t i = 0; i < 2 * size; ++i) batch.points.push_back(value());
    for (std::int64_t i = 0; i < 6 * size; ++i) batch.particles.push_back(value());
    for (int i = 0; i < 8; ++i) batch.jets.push_back(value());
    batch.target.push_back(0);
    batch.offsets.push_back(batch.offsets.back() + size);
  }
  return batch;
}

void expect_finite(std::span<const float> values, const std::string& what) {
  for (std::size_t i = 0; i < values.size(); ++i)
    ASSERT_TRUE(std::isfinite(values[i])) << what << " " << i;
}

struct Case {
  Isa isa;
  Network network;
};

class Robustness : public ::testing::TestWithParam<Case> {
 protected:
  void SetUp() override {
    if (!cpu_supports(GetParam().isa)) {
      GTEST_SKIP() << "this CPU has no " << isa_name(GetParam().isa) << ": variant not tested";
    }
  }
  // The reference is slow, and simple.
  static std::int64_t num_batches() {
    const std::int64_t jets = GetParam().isa == Isa::Ref ? jets_asked() / 20 : jets_asked();
    // Attention goes over all pairs of up to 300 particles.
    const std::int64_t share = GetParam().network == Network::ParticleTransformer ? 4 : 1;
    return jets / share / kBatch + 1;
  }
};

class RobustnessInFewerBits : public Robustness {};

TEST_P(Robustness, FiniteJetsGiveFiniteOutputsAndGradients) {
  const kernels::ScopedIsa forced(GetParam().isa);
  Rng rng(101);
  for (const bool standardise : {false, true}) {
    ModelConfig config = tiny(GetParam().network);
    config.standardise = standardise;
    config.dropout = 0.1;
    const Model model = random_model(config, 7);
    const Predictor predictor(model);
    TrainingPass pass(config, model.standardisation);
    std::vector<float> buffers = model.buffers;
    std::vector<float> y(kBatch);
    std::vector<float> grad(model.parameters.size());
    const std::vector<float> grad_y(kBatch, 1.0F / kBatch);
    for (std::int64_t i = 0; i < num_batches() / 2; ++i) {
      const edm::JetColumns jets = hostile_jets(kBatch, rng);
      edm::FeatureBatch batch;
      for (std::int64_t row = 0; row < kBatch; ++row)
        edm::append_features(jets.view(), row, edm::InputMode::Constituents, batch);
      expect_finite(batch.particles, "feature");
      predictor.predict(batch.view(), y);
      ASSERT_NO_FATAL_FAILURE(expect_finite(y, "prediction")) << i;
      pass.forward(model.parameters, buffers, batch.view(), static_cast<std::uint64_t>(i), y);
      ASSERT_NO_FATAL_FAILURE(expect_finite(y, "output in training")) << i;
      pass.backward(model.parameters, grad_y, grad);
      ASSERT_NO_FATAL_FAILURE(expect_finite(grad, "gradient")) << i;
      ASSERT_NO_FATAL_FAILURE(expect_finite(buffers, "running statistics")) << i;
    }
  }
}

TEST_P(Robustness, FeaturesUpToTheLargestGiveFiniteOutputsAndGradients) {
  const kernels::ScopedIsa forced(GetParam().isa);
  Rng rng(102);
  const Model model = random_model(tiny(GetParam().network), 8);
  const Predictor predictor(model);
  TrainingPass pass(model.config, model.standardisation);
  std::vector<float> buffers = model.buffers;
  std::vector<float> y(kBatch);
  std::vector<float> grad(model.parameters.size());
  const std::vector<float> grad_y(kBatch, 1.0F / kBatch);
  for (std::int64_t i = 0; i < num_batches() / 4 + 1; ++i) {
    const edm::FeatureBatch batch = hostile_features(kBatch, rng);
    predictor.predict(batch.view(), y);
    ASSERT_NO_FATAL_FAILURE(expect_finite(y, "prediction")) << i;
    pass.forward(model.parameters, buffers, batch.view(), 0, y);
    ASSERT_NO_FATAL_FAILURE(expect_finite(y, "output in training")) << i;
    pass.backward(model.parameters, grad_y, grad);
    ASSERT_NO_FATAL_FAILURE(expect_finite(grad, "gradient")) << i;
  }
}

TEST_P(RobustnessInFewerBits, FiniteJetsGiveFiniteOutputs) {
  const kernels::ScopedIsa forced(GetParam().isa);
  Rng rng(103);
  const Model model = random_model(tiny(GetParam().network), 9);
  for (const kernels::Precision precision : kernels::supported_precisions()) {
    const Predictor predictor(model, {precision});
    std::vector<float> y(kBatch);
    for (std::int64_t i = 0; i < num_batches() / 8 + 1; ++i) {
      predictor.predict(hostile_features(kBatch, rng).view(), y);
      ASSERT_NO_FATAL_FAILURE(expect_finite(y, std::string(precision_name(precision)))) << i;
    }
  }
}

std::vector<Case> cases(std::span<const Isa> isas, std::initializer_list<Network> networks) {
  std::vector<Case> all;
  for (const Isa isa : isas) {
    for (const Network network : networks) all.push_back({isa, network});
  }
  return all;
}

std::string case_name(const ::testing::TestParamInfo<Case>& info) {
  return std::string(isa_name(info.param.isa)) + "_" +
         std::string(network_name(info.param.network));
}

// In float32 the variant Amx is Avx512, and the transformer predicts in nothing else.
constexpr Isa kFloatIsas[] = {Isa::Ref, Isa::Avx2, Isa::Avx512};

INSTANTIATE_TEST_SUITE_P(Variants, Robustness,
                         ::testing::ValuesIn(cases(kFloatIsas, {Network::Pfn, Network::ParticleNet,
                                                                Network::ParticleTransformer})),
                         case_name);
INSTANTIATE_TEST_SUITE_P(Variants, RobustnessInFewerBits,
                         ::testing::ValuesIn(cases(kAllIsas, {Network::Pfn, Network::ParticleNet})),
                         case_name);

}  // namespace
}  // namespace jetcal::models
