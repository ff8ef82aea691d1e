// SPDX-License-Identifier: Apache-2.0
#include "jetcal/train/standardisation.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "jetcal/base/error.h"

namespace jetcal::train {
namespace {

using testing::HasSubstr;

StandardisationRules read(const std::string& text) {
  return read_standardisation(Config::parse(text, "data.yaml"), "");
}

// What a fit gives: mean 1 and deviation 2 for every feature.
models::Standardisation fit_of(const edm::InputOptions& inputs) {
  const auto particles = static_cast<std::size_t>(edm::num_particle_features(inputs));
  const auto jets = static_cast<std::size_t>(edm::num_jet_features(inputs));
  models::Standardisation fit;
  fit.particle_mean.assign(particles, 1);
  fit.particle_deviation.assign(particles, 2);
  fit.jet_mean.assign(jets, 1);
  fit.jet_deviation.assign(jets, 2);
  return fit;
}

TEST(Standardisation, WithoutRulesIsTheFit) {
  const edm::InputOptions inputs;
  const models::Standardisation fit = fit_of(inputs);
  const models::Standardisation made = make_standardisation({}, fit, inputs);
  EXPECT_EQ(made.particle_mean, fit.particle_mean);
  EXPECT_EQ(made.jet_deviation, fit.jet_deviation);
  EXPECT_FALSE(made.has_bounds());
}

TEST(Standardisation, TakesGivenNumbersInUnitsOfTheScaledFeature) {
  const edm::InputOptions inputs;
  const StandardisationRules rules = read(
      "standardisation: {method: manual, features: {jetMass: {center: 10, scale: 0.1, min: -0.5, "
      "max: 1.5}, PF_dEta: {scale: 4}}}");
  const models::Standardisation made = make_standardisation(rules, fit_of(inputs), inputs);
  EXPECT_EQ(made.jet_mean[3], 10);
  EXPECT_FLOAT_EQ(made.jet_deviation[3], 10);
  EXPECT_FLOAT_EQ(made.jet_low[3], 5);
  EXPECT_FLOAT_EQ(made.jet_high[3], 25);
  EXPECT_EQ(made.jet_mean[0], 0);
  EXPECT_EQ(made.jet_deviation[0], 1);
  EXPECT_EQ(made.jet_low[0], -edm::kLargestFeature);
  EXPECT_EQ(made.particle_deviation[2], 0.25);
  EXPECT_EQ(made.particle_high[2], edm::kLargestFeature);
}

TEST(Standardisation, ClipsEveryFeatureOfAnyInputs) {
  edm::InputOptions inputs;
  inputs.features = edm::FeatureSet::Extended;
  const models::Standardisation fit = fit_of(inputs);
  const models::Standardisation made = make_standardisation(
      read("standardisation: {method: auto, clip: 3, features: {rho: {max: 1}}}"), fit, inputs);
  EXPECT_EQ(made.particle_low, std::vector<float>(fit.particle_mean.size(), -5));
  EXPECT_EQ(made.particle_high, std::vector<float>(fit.particle_mean.size(), 7));
  ASSERT_EQ(made.jet_high.size(), fit.jet_mean.size());
  EXPECT_EQ(made.jet_high[8], 3);  // rho follows the eight published features
  EXPECT_EQ(made.jet_high[7], 7);
  models::ClipCounts counts;
  counts.particles.assign(fit.particle_mean.size(), 1);
  counts.jets.assign(fit.jet_mean.size(), 2);
  const auto named = named_counts(counts, inputs);
  EXPECT_EQ(named.size(), fit.particle_mean.size() + fit.jet_mean.size());
  EXPECT_EQ(named.at("rho"), 2);
  EXPECT_EQ(named.at("PF_mass"), 1);
}

TEST(Standardisation, NamesWhatIsWrong) {
  const auto error_of = [](const std::string& text) -> std::string {
    try {
      require_features(read("standardisation: " + text), {});
    } catch (const Error& error) {
      return error.what();
    }
    return "no error";
  };
  EXPECT_EQ(error_of("{method: auto}"), "no error");
  EXPECT_THAT(error_of("{method: manual, features: {rho: {max: 1}}}"),
              HasSubstr("unknown feature 'rho'"));  // of the extended set only
  EXPECT_THAT(error_of("{method: best}"), HasSubstr("must be auto, manual or none"));
  EXPECT_THAT(error_of("{method: manual, features: {jetMass: {scale: 0}}}"), HasSubstr("positive"));
  EXPECT_THAT(error_of("{method: manual, features: {jetMass: {min: 1, max: 1}}}"),
              HasSubstr("below its max"));
  EXPECT_THAT(error_of("{method: auto, clip: 5, features: {jetMass: {min: 6}}}"),
              HasSubstr("features.jetMass: its min must be below clip"));
  EXPECT_THAT(error_of("{method: auto, clip: 5, features: {jetMass: {max: -5}}}"),
              HasSubstr("its max above -clip"));
}

}  // namespace
}  // namespace jetcal::train
