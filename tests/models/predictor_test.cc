// SPDX-License-Identifier: Apache-2.0
#include "jetcal/models/predictor.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <numeric>
#include <ostream>
#include <thread>

#include "jetcal/base/error.h"
#include "jetcal/base/threads.h"
#include "tests/models/random_jets.h"
#include "tests/models/reference_network.h"

namespace jetcal::models {
namespace {

std::vector<float> predict(const Predictor& predictor, const edm::FeatureBatch& jets) {
  std::vector<float> y(static_cast<std::size_t>(jets.num_jets()));
  predictor.predict(jets.view(), y);
  return y;
}

// Sizes around k = 4 and 16 neighbors, none at all, and a jet larger than one tile.
std::vector<std::int64_t> many_sizes() {
  return {0, 1, 2, 3, 4, 5, 6, 15, 16, 17, 18, 40, 0, 100, 7, 1, 300, 33, 64, 2};
}

struct Case {
  std::string name;
  ModelConfig config;
  friend std::ostream& operator<<(std::ostream& out, const Case& test) { return out << test.name; }
};

std::vector<Case> cases() {
  std::vector<Case> all;
  for (const Network network : {Network::Pfn, Network::ParticleNet, Network::ParticleTransformer}) {
    all.push_back({"tiny_" + std::string(network_name(network)), tiny(network)});
    all.push_back({"standardised_" + std::string(network_name(network)), tiny(network)});
    all.back().config.standardise = true;
  }
  ModelConfig same_width = tiny(Network::ParticleNet);  // no shortcut weights in any block
  same_width.edge_units = kFeatureConvUnits;
  same_width.edge_layers = 1;
  all.push_back({"same_width", same_width});
  all.push_back({"paper_pfn", preset("paper-pfn")});
  all.push_back({"paper_particlenet", preset("paper-particlenet")});
  all.push_back({"transformer", preset("transformer")});
  return all;
}

// The transformer predicts in float32 only.
std::vector<kernels::Precision> precisions_of(const ModelConfig& config) {
  if (config.network == Network::ParticleTransformer) return {kernels::Precision::Float32};
  return kernels::supported_precisions();
}

class PredictorCase : public ::testing::TestWithParam<Case> {
 protected:
  void TearDown() override { set_num_threads(0); }
};

TEST_P(PredictorCase, AgreesWithTheDefinition) {
  const Model model = random_model(GetParam().config, 21);
  const edm::FeatureBatch jets = random_jets(many_sizes(), 4);
  const std::vector<double> expected = ReferenceNetwork(model).run(jets.view());
  const std::vector<float> y = predict(Predictor(model), jets);
  // Sums of P particles grow with P in the PFN: float rounding is relative to the largest of them.
  const double scale =
      1 + std::abs(*std::max_element(expected.begin(), expected.end(),
                                     [](double a, double b) { return std::abs(a) < std::abs(b); }));
  for (std::size_t jet = 0; jet < y.size(); ++jet) {
    EXPECT_NEAR(y[jet], expected[jet], 1e-5 * scale) << jet;
  }
}

TEST_P(PredictorCase, GivesAJetTheSameBitsInAnyBatch) {
  const Model model = random_model(GetParam().config, 22);
  const edm::FeatureBatch jets = random_jets(many_sizes(), 5);
  for (const kernels::Precision precision : precisions_of(GetParam().config)) {
    const std::string name(precision_name(precision));
    const Predictor predictor(model, {precision});
    const std::vector<float> together = predict(predictor, jets);
    std::vector<std::int64_t> order(together.size());
    std::iota(order.begin(), order.end(), 0);
    for (const std::int64_t jet : order) {
      EXPECT_EQ(predict(predictor, select(jets, {jet}))[0], together[jet]) << name << " " << jet;
    }
    Rng rng(1);
    shuffle(std::span(order), rng);
    for (const int threads : {1, 2, 3}) {
      set_num_threads(threads);
      const std::vector<float> shuffled = predict(predictor, select(jets, order));
      for (std::size_t i = 0; i < order.size(); ++i) {
        EXPECT_EQ(shuffled[i], together[order[i]]) << name << " " << i;
      }
    }
  }
}

// The bounds of single layers are in the tests of kernels; here it is whether every layer got the
// right weights: five layers are off by some levels each, of 1/127, 1/8191 or 1/256 of their
// values.
TEST_P(PredictorCase, FewerBitsChangeLittle) {
  const Model model = random_model(GetParam().config, 24);
  const edm::FeatureBatch jets = random_jets(many_sizes(), 8);
  const std::vector<float> exact = predict(Predictor(model), jets);
  double size = 0;
  for (const float y : exact) size += std::abs(y) / static_cast<double>(exact.size());
  for (const kernels::Precision precision : precisions_of(GetParam().config)) {
    const Predictor predictor(model, {precision});
    EXPECT_EQ(predictor.options().precision, precision);
    const std::vector<float> y = predict(predictor, jets);
    double difference = 0;
    for (std::size_t i = 0; i < y.size(); ++i) {
      difference += std::abs(y[i] - exact[i]) / static_cast<double>(y.size());
    }
    const double level = precision == kernels::Precision::Int16  ? 1.0 / 8191
                         : precision == kernels::Precision::Int8 ? 1.0 / 127
                                                                 : 1.0 / 256;
    EXPECT_LE(difference, 30 * level * size) << precision_name(precision);
    EXPECT_EQ(difference == 0, precision == kernels::Precision::Float32)
        << precision_name(precision);
  }
}

TEST_P(PredictorCase, DoesNotDependOnTheOrderOfParticles) {
  const Predictor predictor(random_model(GetParam().config, 23));
  const edm::FeatureBatch jets = random_jets({1, 2, 3, 5, 16, 17, 40, 100}, 6);
  edm::FeatureBatch reordered = jets;
  Rng rng(2);
  for (std::int64_t jet = 0; jet < jets.num_jets(); ++jet) {
    const std::int64_t first = jets.offsets[jet];
    std::vector<std::int64_t> order(static_cast<std::size_t>(jets.offsets[jet + 1] - first));
    std::iota(order.begin(), order.end(), first);
    shuffle(std::span(order), rng);
    for (std::size_t p = 0; p < order.size(); ++p) {
      const std::int64_t to = first + static_cast<std::int64_t>(p);
      std::copy_n(jets.particles.begin() + order[p] * 6, 6, reordered.particles.begin() + to * 6);
      std::copy_n(jets.points.begin() + order[p] * 2, 2, reordered.points.begin() + to * 2);
    }
  }
  EXPECT_NE(reordered.particles, jets.particles);
  const std::vector<float> y = predict(predictor, jets);
  const std::vector<float> y_reordered = predict(predictor, reordered);
  for (std::size_t jet = 0; jet < y.size(); ++jet) {
    EXPECT_NEAR(y_reordered[jet], y[jet], 1e-5 * (1 + std::abs(y[jet]))) << jet;
  }
}

INSTANTIATE_TEST_SUITE_P(Networks, PredictorCase, ::testing::ValuesIn(cases()),
                         [](const auto& info) { return info.param.name; });

TEST(Predictor, SeesNoParticlesAsAPooledZero) {
  // Then only the jet features and the head count: both networks agree once their heads do.
  Model pfn = random_model(tiny(Network::Pfn), 31);
  Model particlenet = random_model(tiny(Network::ParticleNet), 32);
  for (const char* const name : {"head1.weight", "head1.bias", "head2.weight", "head2.bias"}) {
    std::ranges::copy(particlenet.parameter(name), const_cast<float*>(pfn.parameter(name).data()));
  }
  std::ranges::copy(particlenet.parameter("head0.bias"),
                    const_cast<float*>(pfn.parameter("head0.bias").data()));
  const std::span<const float> from = particlenet.parameter("head0.weight");  // [11, 7 + 8]
  auto* const to = const_cast<float*>(pfn.parameter("head0.weight").data());  // [11, 9 + 8]
  for (int row = 0; row < 11; ++row) {
    std::copy_n(from.data() + row * 15 + 7, 8, to + row * 17 + 9);
  }
  const edm::FeatureBatch jets = random_jets({0, 0, 0}, 7);
  const std::vector<float> y = predict(Predictor(pfn), jets);
  const std::vector<float> other = predict(Predictor(particlenet), jets);
  for (int jet = 0; jet < 3; ++jet) {
    EXPECT_TRUE(std::isfinite(y[jet]));
    EXPECT_NEAR(y[jet], other[jet], 1e-6);
  }
}

TEST(Predictor, RefusesAPrecisionThatTheCpuLacks) {
  const Model model = random_model(tiny(Network::Pfn), 1);
  const PredictorOptions options{kernels::Precision::Bfloat16};
  if (kernels::supports(options.precision)) {
    EXPECT_EQ(Predictor(model, options).options().precision, options.precision);
  } else {
    EXPECT_THROW(Predictor(model, options), Error);
  }
}

TEST(Predictor, RefusesReducedPrecisionForATransformer) {
  const Model model = random_model(tiny(Network::ParticleTransformer), 1);
  const PredictorOptions options{kernels::Precision::Int16};
  if (!kernels::supports(options.precision)) GTEST_SKIP() << "this CPU has no int16 kernels";
  EXPECT_THAT([&] { Predictor(model, options); },
              ::testing::ThrowsMessage<Error>(::testing::HasSubstr(
                  "a particletransformer predicts in float32 only, not in int16")));
}

TEST(Predictor, TakesAnEmptyBatch) {
  const Predictor predictor(random_model(tiny(Network::ParticleNet), 1));
  EXPECT_TRUE(predict(predictor, edm::FeatureBatch()).empty());
}

TEST(Predictor, RefusesArraysOfTheWrongSize) {
  const Predictor predictor(random_model(tiny(Network::Pfn), 1));
  edm::FeatureBatch jets = random_jets({3, 2}, 1);
  std::vector<float> y(3);
  EXPECT_THROW(predictor.predict(jets.view(), y), Error);
  y.resize(2);
  jets.points.pop_back();
  EXPECT_THROW(predictor.predict(jets.view(), y), Error);
  EXPECT_THROW(predictor.predict(edm::FeatureView(), y), Error);
}

TEST(Predictor, ServesSeveralThreadsAtOnce) {
  const Predictor predictor(random_model(tiny(Network::ParticleNet), 9));
  const edm::FeatureBatch jets = random_jets(many_sizes(), 9);
  const std::vector<float> expected = predict(predictor, jets);
  std::vector<std::vector<float>> results(4);
  std::vector<std::thread> threads;
  for (std::vector<float>& result : results) {
    threads.emplace_back([&] {
      for (int round = 0; round < 5; ++round) result = predict(predictor, jets);
    });
  }
  for (std::thread& thread : threads) thread.join();
  for (const std::vector<float>& result : results) EXPECT_EQ(result, expected);
}

}  // namespace
}  // namespace jetcal::models
