// SPDX-License-Identifier: Apache-2.0
#include "jetcal/sim/jet_finder.h"

#include <gtest/gtest.h>

namespace jetcal::sim {
namespace {

const JetOptions kOptions{0.4, 0.01, 3.2, 8, 0.4, 30, 2.5, "summer16"};
const JetOptions kAnyStatus{0.4, 0.01, 3.2, 8, 0.4, 30, 2.5, "cmssw9"};

Candidate candidate(double pt, double eta, double phi, std::uint8_t from_pv = 3) {
  return {pt, eta, phi, 0.13957, 211, 0, from_pv, true};
}

TEST(RecoJets, LeaveOutChargedPileupAndKeepMomentum) {
  const std::vector<Candidate> candidates{candidate(40, 0.1, 0.1), candidate(20, 0.2, 0.0),
                                          candidate(30, 0.15, 0.05, 0), candidate(25, -1, 3)};
  const std::vector<Jet> jets = find_reco_jets(candidates, {}, kOptions, 1, 5);
  ASSERT_EQ(jets.size(), 2U);
  EXPECT_EQ(jets[0].constituents, (std::vector<std::int32_t>{0, 1}));
  EXPECT_NEAR(jets[0].pt, 60, 0.3);
  EXPECT_NEAR(jets[0].area, M_PI * 0.16, 0.1);
}

TEST(RecoJets, AreTheSameWithAndWithoutFlavorGhosts) {
  const std::vector<Candidate> candidates{candidate(40, 0.1, 0.1), candidate(20, 0.2, 0.0)};
  HardEvent truth;
  truth.flavor_hadrons = {{35, 0.12F, 0.09F, 511}};
  truth.flavor_partons = {{50, 0.1F, 0.1F, 5}, {60, 0.1F, 0.1F, 21}};
  const Jet plain = find_reco_jets(candidates, {}, kOptions, 1, 5).at(0);
  const Jet marked = find_reco_jets(candidates, truth, kOptions, 1, 5).at(0);
  EXPECT_DOUBLE_EQ(plain.pt, marked.pt);
  EXPECT_EQ(plain.area, marked.area);
  EXPECT_EQ(plain.hadron_flavor, 0);
  EXPECT_EQ(plain.parton_flavor, 0);
  EXPECT_EQ(marked.hadron_flavor, 5);
  EXPECT_EQ(marked.parton_flavor, 5);
}

TEST(RecoJets, HaveAreasThatFollowFromTheSeed) {
  const std::vector<Candidate> candidates{candidate(40, 0.1, 0.1)};
  const double area = find_reco_jets(candidates, {}, kOptions, 5, 5).at(0).area;
  EXPECT_EQ(find_reco_jets(candidates, {}, kOptions, 5, 5).at(0).area, area);
}

constexpr Particle kUp{50, 0, 0, -2};
constexpr Particle kGluon{60, 0, 0, 21};
constexpr Particle kCharm{10, 0, 0, 4};
constexpr Particle kBottom{5, 0, 0, -5};
constexpr Particle kHadronB{5, 0, 0, 5};
constexpr Particle kHadronC{5, 0, 0, 4};

/// Returns the hadron and the parton flavor of a jet with these ghosts.
std::pair<int, int> flavor(const JetOptions& options, std::vector<Particle> hadrons,
                           std::vector<Particle> partons) {
  Jet jet{};
  set_flavor(hadrons, partons, options, jet);
  return {jet.hadron_flavor, jet.parton_flavor};
}

TEST(Flavor, OfTheEndOfTheShowerPutsHeavyPartonsFirst) {
  EXPECT_EQ(flavor(kOptions, {}, {}), std::pair(0, 0));
  EXPECT_EQ(flavor(kOptions, {}, {kUp, kGluon}), std::pair(0, 21));
  EXPECT_EQ(flavor(kOptions, {kHadronC}, {kUp, kCharm}), std::pair(4, 4));
  EXPECT_EQ(flavor(kOptions, {kHadronC, kHadronB}, {kCharm, kBottom, kGluon}), std::pair(5, -5));
}

TEST(Flavor, OfAnyStatusIsThatOfTheHardestParton) {
  const Particle hard_charm{80, 0, 0, -4};
  EXPECT_EQ(flavor(kAnyStatus, {}, {kUp, kGluon}), std::pair(0, 21));
  EXPECT_EQ(flavor(kAnyStatus, {kHadronC}, {kUp, hard_charm}), std::pair(4, -4));
  // A hard charm beside the bottom: only the hadrons tell.
  EXPECT_EQ(flavor(kAnyStatus, {kHadronC}, {kBottom, hard_charm}), std::pair(4, -4));
  EXPECT_EQ(flavor(kOptions, {kHadronC}, {kBottom, hard_charm}), std::pair(4, 4));
}

TEST(Flavor, GivesWayToTheHadronsInAConflict) {
  for (const JetOptions& options : {kOptions, kAnyStatus}) {
    // A heavy hadron without its parton.
    EXPECT_EQ(flavor(options, {kHadronB}, {kGluon}), std::pair(5, 5));
    EXPECT_EQ(flavor(options, {kHadronB}, {}), std::pair(5, 5));
    EXPECT_EQ(flavor(options, {kHadronB, kHadronC}, {kCharm}), std::pair(5, 5));
    // A heavy parton without its hadron gives way to the hardest light one.
    EXPECT_EQ(flavor(options, {}, {kUp, {70, 0, 0, 4}}), std::pair(0, -2));
    EXPECT_EQ(flavor(options, {}, {kCharm}), std::pair(0, 0));
  }
}

TEST(Flavor, ComesFromTheListThatTheOptionNames) {
  const std::vector<Candidate> candidates{candidate(40, 0.1, 0.1), candidate(20, 0.2, 0.0)};
  HardEvent truth;
  truth.flavor_partons = {{20, 0.1F, 0.1F, 1}};
  truth.all_partons = {{20, 0.1F, 0.1F, 1}, {60, 0.1F, 0.1F, 21}};
  EXPECT_EQ(find_reco_jets(candidates, truth, kOptions, 1, 5).at(0).parton_flavor, 1);
  EXPECT_EQ(find_reco_jets(candidates, truth, kAnyStatus, 1, 5).at(0).parton_flavor, 21);
  const std::vector<Particle> particles{{30, 0.1F, 0.1F, 211}};
  EXPECT_EQ(find_gen_jets(particles, kOptions, &truth).at(0).parton_flavor, 1);
  EXPECT_EQ(find_gen_jets(particles, kOptions).at(0).parton_flavor, 0);
}

TEST(GenJets, LeaveOutNeutrinosAndSoftJets) {
  const std::vector<Particle> particles{
      {30, 0, 0, 211}, {10, 0.1F, 0, 22}, {100, 0, 0.1F, 12}, {5, 2, 2, 211}};
  const std::vector<Jet> jets = find_gen_jets(particles, kOptions);
  ASSERT_EQ(jets.size(), 1U);
  EXPECT_NEAR(jets[0].pt, 40, 0.1);
  EXPECT_EQ(jets[0].constituents, (std::vector<std::int32_t>{0, 1}));
}

}  // namespace
}  // namespace jetcal::sim
