// SPDX-License-Identifier: Apache-2.0
#include "jetcal/train/lr_finder.h"

#include <gtest/gtest.h>

#include <cmath>
#include <filesystem>

#include "jetcal/base/error.h"
#include "jetcal/base/temporary_folder.h"
#include "tests/train/synthetic_jets.h"

namespace jetcal::train {
namespace {

TEST(LrFinder, ReadsItsRange) {
  const LrFinderOptions options = parse_lr_finder("1e-5,0.5,40");
  EXPECT_EQ(options.low, 1e-5);
  EXPECT_EQ(options.high, 0.5);
  EXPECT_EQ(options.steps, 40);
  for (const char* const text :
       {"", "1", "1,2", "2,1,40", "0,1,40", "1e-5,1,9", "1e-5,1,40,", "1e-5,1,40 x", "1e-5;1;40"})
    EXPECT_THROW(parse_lr_finder(text), Error) << text;
}

// Losses that fall as a logistic curve over log(rate) around 1e-3, and explode from 0.1 on.
TEST(LrFinder, SuggestsWhereTheLossFallsFastest) {
  LrFinderResult result;
  for (int i = 0; i <= 600; ++i) {
    const double rate = 1e-6 * std::pow(10, i / 100.0);
    const double fall = 1 / (1 + std::exp(-3 * std::log(rate / 1e-3)));
    result.rates.push_back(rate);
    result.losses.push_back(1 - 0.8 * fall + (rate > 0.1 ? 10 * (rate - 0.1) : 0));
  }
  judge(result);
  EXPECT_GT(result.suggestion, 0.8e-3);
  EXPECT_LT(result.suggestion, 3e-3);  // smoothing comes late
  EXPECT_GT(result.lowest_rate, 0.05);
  EXPECT_LT(result.lowest_rate, 0.3);
}

TEST(LrFinder, SuggestsATenthOfTheLowestWhereTheLossOnlyRises) {
  LrFinderResult result;
  for (int i = 0; i < 20; ++i) {
    result.rates.push_back(1e-3 * (i + 1));
    result.losses.push_back(1 + i);
  }
  judge(result);
  EXPECT_EQ(result.lowest_rate, 1e-3);
  EXPECT_EQ(result.suggestion, 1e-4);
}

TEST(LrFinder, EndsWhereTheLossExplodesAndWritesNothing) {
  TrainOptions options;
  const TemporaryFolder folder;
  options.output = folder.path() / "run";
  options.model.particle_layers = 1;
  options.model.particle_units = 4;
  options.model.head_layers = 1;
  options.model.head_units = 4;
  options.model.standardise = true;
  options.batch_size = 50;
  const JetSources sources = synthetic_sources(200);
  const LrFinderResult wide = find_learning_rate(options, sources, {1e-6, 1e6, 200});
  EXPECT_TRUE(wide.diverged);
  EXPECT_LT(wide.rates.size(), 200U);
  const LrFinderResult narrow = find_learning_rate(options, sources, {1e-6, 1e-4, 20});
  EXPECT_FALSE(narrow.diverged);
  ASSERT_EQ(narrow.rates.size(), 20U);
  EXPECT_NEAR(narrow.rates.back(), 1e-4, 1e-12);
  EXPECT_FALSE(std::filesystem::exists(options.output));
  EXPECT_THROW(find_learning_rate(options, sources, {1e-6, 1, 20}, [] { return true; }), Error);
}

TEST(LrFinder, TakesNoNegativeLikelihoodForAnExplosion) {
  TrainOptions options;
  options.model.input_mode = edm::InputMode::Constituents;
  options.model.target = edm::Reference::Raw;  // starts at y = 0 with a width of 0.1
  options.model.standardise = true;
  options.model.head = models::Head::Gaussian;
  options.batch_size = 50;
  JetSources sources = synthetic_sources(1);
  sources.train = std::make_unique<MemorySource>("train split", synthetic_jets(200, 1), "0",
                                                 options.model.inputs());
  const LrFinderResult narrow = find_learning_rate(options, sources, {1e-6, 1e-4, 20});
  EXPECT_LT(narrow.losses.front(), 0);
  EXPECT_FALSE(narrow.diverged);
  EXPECT_EQ(narrow.rates.size(), 20U);
  EXPECT_TRUE(find_learning_rate(options, sources, {1e-6, 1e6, 200}).diverged);
}

TEST(LrFinder, StandardisesAsARunDoes) {
  TrainOptions options;
  options.model.input_mode = edm::InputMode::Constituents;
  options.model.features = edm::FeatureSet::Extended;
  options.model.target = edm::Reference::Raw;
  options.model.skip = false;
  options.model.standardise = true;
  options.batch_size = 50;
  JetSources sources = synthetic_sources(1);
  sources.train = std::make_unique<MemorySource>("train split", synthetic_jets(200, 1), "0",
                                                 options.model.inputs());
  const auto losses = [&] { return find_learning_rate(options, sources, {1e-6, 1e-4, 10}).losses; };
  const std::vector<double> fitted = losses();
  EXPECT_EQ(fitted.size(), 10U);
  options.standardisation.method = "manual";
  const std::vector<double> manual = losses();
  EXPECT_NE(manual, fitted);
  options.model.standardise = false;
  options.standardisation = {};
  EXPECT_EQ(manual, losses());  // centres 0 and scales 1 change nothing
}

}  // namespace
}  // namespace jetcal::train
