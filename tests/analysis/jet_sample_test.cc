// SPDX-License-Identifier: Apache-2.0
#include "jetcal/analysis/jet_sample.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "jetcal/base/error.h"

namespace jetcal::analysis {
namespace {

constexpr float kNan = std::numeric_limits<float>::quiet_NaN();

JetSample seven_jets() {
  JetSample sample;
  //               good, unmatched, NaN corr, forward, NaN gen, |y| >= 1, zero reco
  sample.pt_gen = {100, 0, 100, 100, kNan, 100, 100};
  sample.eta_gen = {0.5F, 0, 0.5F, 2.6F, 0, -2.0F, 0};
  sample.pt_reco = {90, 50, 90, 90, 90, 300, 0};
  sample.flavor.assign(7, edm::Flavor::U);
  sample.flavor[5] = edm::Flavor::Undefined;
  sample.correctors = {{"Standard", sample.pt_reco},
                       {"Model", {101, 50, kNan, 100, 100, 120, 100}}};
  return sample;
}

TEST(SelectJets, AccountsForEveryJet) {
  const ResponseSample used = select_jets(seven_jets());
  EXPECT_EQ(used.counts.read, 7);
  EXPECT_EQ(used.counts.used, 2);
  EXPECT_EQ(used.counts.unmatched, 1);
  EXPECT_EQ(used.counts.not_finite, 3);
  EXPECT_EQ(used.counts.outside_regions, 1);
  EXPECT_EQ(used.counts.large_target, 1);
  EXPECT_EQ(used.counts.undefined_flavor, 1);
  EXPECT_THAT(used.counts.not_finite_by_corrector, testing::ElementsAre(1, 1));
  EXPECT_EQ(used.counts.read, used.counts.used + used.counts.unmatched + used.counts.not_finite +
                                  used.counts.outside_regions);
}

TEST(SelectJets, KeepsTheSameJetsForEveryCorrector) {
  const ResponseSample used = select_jets(seven_jets());
  EXPECT_THAT(used.response[0], testing::ElementsAre(0.9, 3.0));
  EXPECT_THAT(used.response[1], testing::ElementsAre(1.01, 1.2));
  EXPECT_THAT(used.region, testing::ElementsAre(0, 1));
  EXPECT_NEAR(used.target[1], std::log(100.0 / 300.0), 1e-12);
  EXPECT_DOUBLE_EQ(used.min_pt_reco, 90);
}

void expect_error(const JetSample& sample, const std::string& part) {
  try {
    select_jets(sample);
    FAIL() << "expected an error with: " << part;
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::InvalidArgument);
    EXPECT_THAT(error.what(), testing::HasSubstr(part));
  }
}

TEST(SelectJets, RejectsColumnsThatDoNotFitTogether) {
  JetSample sample = seven_jets();
  sample.correctors[1].pt_corr.pop_back();
  expect_error(sample, "pt_corr of Model has 6 rows, pt_gen has 7");
  sample = seven_jets();
  sample.correctors[1].name = "Standard";
  expect_error(sample, "two correctors have the name Standard");
  sample = seven_jets();
  sample.correctors.clear();
  expect_error(sample, "no corrector");
  sample = seven_jets();
  sample.eta_gen.assign(7, 4.0F);
  expect_error(sample, "no jet is left to analyze: 7 read, 1 unmatched");
}

}  // namespace
}  // namespace jetcal::analysis
