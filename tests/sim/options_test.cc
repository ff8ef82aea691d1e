// SPDX-License-Identifier: Apache-2.0
#include "jetcal/sim/options.h"

#include <gtest/gtest.h>

namespace jetcal::sim {
namespace {

TEST(ExperimentOptions, ComeFromTheCompiledCard) {
  const ExperimentOptions options = read_experiment(Config());
  EXPECT_EQ(options.pileup.mean, 23);
  EXPECT_EQ(options.jets.radius, 0.4);
  EXPECT_EQ(options.generator.hard.size(), 14U);
}

TEST(ExperimentOptions, AreOverriddenFieldByField) {
  const Config config = Config::parse("jets: {radius: 0.8}\npileup: {mean: 50}\n", "my.yaml");
  const ExperimentOptions options = read_experiment(config);
  EXPECT_EQ(options.jets.radius, 0.8);
  EXPECT_EQ(options.pileup.mean, 50);
  EXPECT_EQ(options.jets.min_pt, 30);
  EXPECT_NE(describe(options), describe(read_experiment(Config())));
  EXPECT_NO_THROW(config.reject_unknown());
}

TEST(ExperimentOptions, NameTheFieldOfAMistake) {
  const auto message = [](const std::string& yaml) {
    try {
      read_experiment(Config::parse(yaml, "my.yaml"));
    } catch (const Error& error) {
      return std::string(error.what());
    }
    return std::string();
  };
  EXPECT_NE(message("tracker: {eta_edges: [1, 2]}").find("tracker.eta_edges"), std::string::npos);
  EXPECT_NE(message("jets: {radius: 0}").find("jets.radius"), std::string::npos);
  EXPECT_NE(message("pileup: {mean: 150}").find("pileup.maximum"), std::string::npos);
  EXPECT_EQ(message("pileup: {mean: 150, maximum: 300}"), "");
  EXPECT_NE(message("pileup: {mean: many}").find("pileup.mean"), std::string::npos);
}

}  // namespace
}  // namespace jetcal::sim
