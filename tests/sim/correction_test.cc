// SPDX-License-Identifier: Apache-2.0
#include "jetcal/sim/correction.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "jetcal/base/random.h"

namespace jetcal::sim {
namespace {

/// Jets of a detector that sees 90% of the energy and adds 0.4 GeV of pileup per rho and area.
std::vector<CalibrationJet> toy_jets(int count) {
  Rng rng(3);
  std::vector<CalibrationJet> jets;
  for (int i = 0; i < count; ++i) {
    CalibrationJet jet{};
    jet.eta = 10 * rng.uniform() - 5;
    jet.area = 0.5;
    jet.rho = 5 + 20 * rng.uniform();
    jet.pt_gen = 10 * std::pow(200, rng.uniform());
    const double response = 0.9 * (1 + 0.05 * rng.normal());
    jet.pt_raw = jet.pt_gen * response + 0.4 * jet.area * (jet.rho - 2);
    jets.push_back(jet);
  }
  return jets;
}

TEST(Correction, ClosesOnTheSampleItCameFrom) {
  const std::vector<CalibrationJet> jets = toy_jets(60000);
  const Correction correction = Correction::derive(jets);
  std::vector<double> response;
  for (const CalibrationJet& jet : toy_jets(20000)) {
    if (jet.pt_gen < 30) continue;
    const double factor = correction.factor(jet.pt_raw, jet.eta, jet.area, jet.rho);
    response.push_back(jet.pt_raw * factor / jet.pt_gen);
  }
  std::sort(response.begin(), response.end());
  EXPECT_NEAR(response[response.size() / 2], 1, 0.005);
}

TEST(Correction, SubtractsTheOffsetOfTheToy) {
  const Correction correction = Correction::derive(toy_jets(60000));
  EXPECT_NEAR(correction.after_offset(100, 0.2, 0.5, 22), 100 - 0.4 * 0.5 * 20, 0.5);
}

TEST(Correction, SurvivesItsCard) {
  const Correction correction = Correction::derive(toy_jets(30000));
  const Correction again = Correction::read(Config::parse(correction.to_yaml("# x\n"), "card"));
  for (const double pt : {5., 31., 200., 3000.})
    EXPECT_NEAR(again.factor(pt, -1.1, 0.5, 15), correction.factor(pt, -1.1, 0.5, 15), 1e-3);
}

TEST(Correction, IsNamedWhenItsCardIsWrong) {
  EXPECT_THROW(Correction::read(Config::parse("eta_edges: [5]", "card")), Error);
  EXPECT_THROW(Correction::read(Config::parse("rho_offset: 2\neta_edges: [1, 5]\noffset_slope: [0]"
                                              "\npt: [[30]]\nfactor: [[1]]",
                                              "card")),
               Error);
}

TEST(Correction, RefusesTooFewJets) { EXPECT_THROW(Correction::derive(toy_jets(100)), Error); }

}  // namespace
}  // namespace jetcal::sim
