// SPDX-License-Identifier: Apache-2.0
// Closure and coverage of jets whose response and width are known.
#include "jetcal/train/calibrate.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <vector>

#include "jetcal/base/random.h"

namespace jetcal::train {
namespace {

// A response that falls with pT and differs with |eta|, and a width that is said 1.3 times too
// small.
PredictedJets biased_jets(std::int64_t count, std::uint64_t seed, bool with_resolution) {
  Rng rng(seed);
  PredictedJets jets;
  for (std::int64_t i = 0; i < count; ++i) {
    const double log_pt_gen = std::log(30) + rng.exponential();
    const double eta = 5 * rng.uniform() - 2.5;
    const double width = 0.25 * std::exp(-0.35 * (log_pt_gen - std::log(30)));
    const double shift = 0.04 * std::sin(log_pt_gen) + (std::abs(eta) > 1.3 ? 0.02 : -0.01);
    // Not a normal distribution: a tenth is three times as wide.
    const double error = width * rng.normal() * (rng.below(10) == 0 ? 3 : 1);
    jets.log_pt_gen.push_back(static_cast<float>(log_pt_gen));
    jets.log_pt.push_back(static_cast<float>(log_pt_gen + shift + error));
    jets.log_pt_reco.push_back(static_cast<float>(log_pt_gen + error));
    jets.eta.push_back(static_cast<float>(eta));
    if (with_resolution) jets.resolution.push_back(static_cast<float>(width / 1.3));
  }
  return jets;
}

double median(std::vector<double> values) {
  std::nth_element(values.begin(), values.begin() + std::ssize(values) / 2, values.end());
  return values[values.size() / 2];
}

TEST(Closure, TakesOffTheMedianResponseInBinsOfPtGenAndEta) {
  const models::PtEtaTable closure = derive_closure(biased_jets(200000, 1, false));
  const PredictedJets jets = biased_jets(200000, 2, false);
  for (const bool endcap : {false, true}) {
    for (double low = 80; low < 400; low *= 1.5) {
      std::vector<double> before, after;
      for (std::int64_t row = 0; row < jets.size(); ++row) {
        const double pt_gen = std::exp(jets.log_pt_gen[row]);
        if (pt_gen < low || pt_gen >= 1.5 * low || (std::abs(jets.eta[row]) > 1.3) != endcap)
          continue;
        before.push_back(jets.log_pt[row] - jets.log_pt_gen[row]);
        after.push_back(before.back() + closure.at(jets.eta[row], jets.log_pt[row]));
      }
      const double error = 1.3 * 0.2 / std::sqrt(static_cast<double>(after.size()));
      EXPECT_LT(std::abs(median(after)), 0.002 + 4 * error) << low << " " << endcap;
    }
  }
}

TEST(Closure, LeavesASampleAloneThatIsTooSmall) {
  EXPECT_TRUE(derive_closure(biased_jets(50, 1, false)).empty());
  EXPECT_TRUE(derive_closure({}).empty());
}

TEST(Resolution, CoversWhatItSaysInBinsOfPtAndEta) {
  const PredictedJets known = biased_jets(100000, 3, true);
  const models::PtEtaTable scale = derive_resolution(known, known.log_pt);
  PredictedJets jets = biased_jets(100000, 4, true);
  for (std::int64_t row = 0; row < jets.size(); ++row)
    jets.resolution[row] *= scale.at(jets.eta[row], jets.log_pt[row]);
  const nlohmann::ordered_json performance = performance_json(jets);
  const auto& coverage = performance.at("coverage");
  EXPECT_NEAR(coverage.at("all").at("coverage").get<double>(), kCoverage, 0.005);
  int bins = 0;
  for (const auto& bin : coverage.at("by_pt_corr")) {
    if (bin.at("jets").get<int>() < 5000) continue;
    EXPECT_NEAR(bin.at("coverage").get<double>(), kCoverage,
                0.005 + 3 * bin.at("error").get<double>())
        << bin;
    ++bins;
  }
  EXPECT_GE(bins, 4);
}

TEST(Performance, SeesTheSpectrumOnlyWhereTheResponseVaries) {
  PredictedJets jets = biased_jets(50000, 5, false);
  const double varying =
      performance_json(jets).at("closure").at("largest_change_percent").get<double>();
  for (std::int64_t row = 0; row < jets.size(); ++row) jets.log_pt[row] = jets.log_pt_gen[row];
  const nlohmann::ordered_json flat = performance_json(jets);
  EXPECT_FALSE(flat.contains("coverage"));
  EXPECT_EQ(flat.at("closure").at("largest_change_percent").get<double>(), 0);
  EXPECT_EQ(flat.at("closure").at("largest_gap_percent").get<double>(), 0);
  EXPECT_GT(varying, 0.2);
}

}  // namespace
}  // namespace jetcal::train
