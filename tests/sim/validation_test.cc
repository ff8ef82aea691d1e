// SPDX-License-Identifier: Apache-2.0
#include "jetcal/sim/validation.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "jetcal/base/error.h"
#include "jetcal/base/files.h"
#include "jetcal/base/random.h"
#include "jetcal/base/temporary_folder.h"
#include "jetcal/sim/calibration_writer.h"
#include "jetcal/sim/validation_files.h"

namespace jetcal::sim {
namespace {

/// A detector that sees `response` of a jet and adds 0.4 GeV a unit of area and rho above 2.
edm::CalibrationJets toy_calibration(double response) {
  Rng rng(5);
  edm::CalibrationJets jets;
  for (int i = 0; i < 60000; ++i) {
    const double pt_gen = 15 * std::pow(150, rng.uniform());
    const double rho = 15 + 10 * rng.uniform();
    const double bare = pt_gen * response * (1 + 0.05 * rng.normal());
    jets.pt_gen.push_back(static_cast<float>(pt_gen));
    jets.eta_gen.push_back(static_cast<float>(5 * rng.uniform() - 2.5));
    jets.eta.push_back(jets.eta_gen.back());
    jets.area.push_back(0.5F);
    jets.rho.push_back(static_cast<float>(rho));
    jets.pt_raw_no_pileup.push_back(static_cast<float>(bare));
    jets.pt_raw.push_back(static_cast<float>(bare + 0.4 * 0.5 * (rho - 2)));
    jets.num_pileup.push_back(20);
  }
  return jets;
}

const Check& find(const std::vector<Check>& checks, const std::string& name) {
  return *std::find_if(checks.begin(), checks.end(), [&](const Check& check) {
    return check.name.find(name) != std::string::npos;
  });
}

TEST(CalibrationChecks, FindTheResponseAndOffsetOfTheToy) {
  const jec::CorrectionText text{
      "L1",
      "{1 JetEta 3 Rho JetPt JetA max(0.0001,1-z*0.4*(x-2)/y) Correction L1FastJet}\n"
      "-5 5 6 0 100 0.1 10000 0 10\n"};
  const auto corrector = jec::JetCorrector::parse({&text, 1});
  const std::vector<Check> good = check_calibration(toy_calibration(0.93), corrector);
  ASSERT_EQ(good.size(), 11U);
  const Check& middle = find(good, "|eta| 0.1, raw pT 100");
  EXPECT_NEAR(middle.value, 0.93, 4 * middle.error);
  EXPECT_LT(middle.error, 0.01);
  EXPECT_TRUE(middle.passed());
  const Check& offset = find(good, "rho 20");
  EXPECT_NEAR(offset.value, 0.4 * 18 * 0.503, 0.05);
  EXPECT_TRUE(offset.passed());
  EXPECT_FALSE(find(check_calibration(toy_calibration(0.85), corrector), "raw pT 100").passed());
}

TEST(CalibrationChecks, MissTheirTargetsWithoutJets) {
  const jec::CorrectionText text{"L1", "{1 JetEta 1 JetPt 1 Correction L1FastJet}\n-5 5 2 0 9\n"};
  const auto corrector = jec::JetCorrector::parse({&text, 1});
  for (const Check& check : check_calibration({}, corrector)) {
    EXPECT_TRUE(check.has_target());
    EXPECT_FALSE(check.passed()) << check.name;
  }
}

/// Jets whose response is `u` for u quarks and 1 for the other flavors, a charged and a photon
/// candidate each.
ValidationJets toy_jets(double u, int count, float area, double pt_power) {
  Rng rng(9);
  edm::JetColumns jets;
  std::vector<float> pileup;
  const int flavors[] = {2, 1, 3, 4, 5, 21};
  for (int i = 0; i < count; ++i) {
    edm::JetColumns one;
    const int flavor = flavors[i % 6];
    const double pt_gen = 40 * std::pow(20, std::pow(rng.uniform(), pt_power));
    const double response = (flavor == 2 ? u : 1) * (1 + 0.1 * rng.normal());
#define JETCAL_ZERO(type, name) one.name.push_back(0);
    JETCAL_JET_COLUMNS(JETCAL_ZERO)
#undef JETCAL_ZERO
    one.pt_gen[0] = static_cast<float>(pt_gen);
    one.pt_reco[0] = static_cast<float>(pt_gen * response);
    one.pt_raw[0] = one.pt_reco[0];
    one.area[0] = area;
    one.parton_flavor[0] = flavor;
    one.hadron_flavor[0] = flavor == 4 || flavor == 5 ? flavor : 0;
    one.pf_pt = {0.75F * one.pt_raw[0], 0.25F * one.pt_raw[0], 1.0F};
    one.pf_id = {211, 22, 130};
    one.pf_from_jet = {1, 1, 0};
    one.pf_from_pv = {3, 3, 3};
    one.pf_d_eta = one.pf_d_phi = one.pf_mass = {0, 0, 0};
    one.offsets = {0, 3};
    jets.append(one.view(), 0);
    pileup.push_back(static_cast<float>(20 + i % 10));
  }
  ValidationJets kept;
  kept.append(jets.view(), pileup);
  return kept;
}

TEST(SampleChecks, MeasureFlavorDifferences) {
  const std::vector<Check> checks = check_sample(toy_jets(1.03, 30000, 0.5F, 1));
  const Check& gap = find(checks, "barrel, pT_gen > 30");
  EXPECT_NEAR(gap.value, 0.03, 4 * gap.error);
  EXPECT_TRUE(gap.passed());
  // d is not above s and c here, and there are no jets in the endcap.
  EXPECT_NEAR(find(checks, "barrel, u d above s c").value, 0, 0.02);
  EXPECT_FALSE(find(checks, "endcap, u d above s c").passed());
}

TEST(Comparison, MatchesThePtSpectrum) {
  const ValidationJets soft = toy_jets(1, 4000, 0.5F, 3);
  const ValidationJets hard = toy_jets(1, 4000, 0.6F, 0.5);
  std::int64_t unmatched = -1;
  const std::vector<Check> checks = compare_jets(soft, hard, unmatched);
  EXPECT_EQ(unmatched, 0);
  EXPECT_NEAR(find(checks, "area").value, 0.5, 1e-6);
  EXPECT_NEAR(find(checks, "area").real, 0.6, 1e-6);
  EXPECT_NEAR(find(checks, "constituents").value, 2, 1e-9);
  EXPECT_NEAR(find(checks, "pT fraction, charged").value, 0.75, 1e-5);
  EXPECT_NEAR(find(checks, "candidates in the box").value, 3, 1e-9);
  // The photon carries a quarter of the jet: its median follows the spectrum.
  const Check& photons = find(checks, "median pT in the box, photons");
  EXPECT_NEAR(photons.value / photons.real, 1, 0.15);
  EXPECT_GT(find(compare_with_stored(hard, {}), "median pT in the box, photons").value,
            1.5 * find(compare_with_stored(soft, {}), "median pT in the box, photons").value);
}

TEST(Comparison, WeightsEventsByTheirPileup) {
  std::vector<EventCounts> simulated;
  for (int i = 0; i < 100; ++i) {
    EventCounts event;
    event.num_pileup = i % 2 == 0 ? 12 : 32;
    event.rho = 0.6 * event.num_pileup;
    event.central = {10 * event.num_pileup, 0, 0};
    simulated.push_back(event);
  }
  EventCounts real = simulated[1];
  std::int64_t unmatched = -1;
  const auto checks = compare_events(simulated, {&real, 1}, unmatched);
  EXPECT_EQ(unmatched, 0);
  const Check& density = find(checks, "density |eta| < 1.3, charged");
  EXPECT_NEAR(density.value, density.real, 1e-9);
  EXPECT_NEAR(density.value, 320 / (2.6 * 2 * M_PI), 1e-9);
  real.num_pileup = 77;
  compare_events(simulated, {&real, 1}, unmatched);
  EXPECT_EQ(unmatched, 1);
}

TEST(CalibrationFile, ReturnsItsEventsAndSaysWhatItLacks) {
  const TemporaryFolder folder;
  const auto path = folder / "calibration.root";
  CalibrationWriter writer(path, 505);
  CalibrationEvent event;
  event.Pileup_nPU = 21;
  event.rhoAll = 12.5F;
  event.ph13 = 7;
  event.nh25 = 3;
  writer.write(event);
  writer.write(CalibrationJet());
  writer.close();
  std::vector<EventCounts> events;
  read_calibration_events(path, events);
  ASSERT_EQ(events.size(), 1U);
  EXPECT_EQ(events[0].num_pileup, 21);
  EXPECT_EQ(events[0].rho, 12.5);
  EXPECT_EQ(events[0].central[1], 7);
  EXPECT_EQ(events[0].forward[2], 3);
  EXPECT_THROW(read_real_events(path, events), Error);
  const std::string whole = read_file(path);
  write_file(path, std::string_view(whole).substr(0, whole.size() / 2));
  EXPECT_THROW(read_calibration_events(path, events), Error);
  std::filesystem::remove(path);
  EXPECT_THROW(read_calibration_events(path, events), Error);
}

}  // namespace
}  // namespace jetcal::sim
