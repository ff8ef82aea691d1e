// SPDX-License-Identifier: Apache-2.0
#include "jetcal/sim/event_factory.h"

#include <gtest/gtest.h>

#include <cstring>
#include <set>

namespace jetcal::sim {
namespace {

const ExperimentOptions& experiment() {
  static const ExperimentOptions options = read_experiment(Config());
  return options;
}

const Correction& correction() {
  static const Correction standard = Correction::standard();
  return standard;
}

bool same_rows(const Block& a, const Block& b) {
  if (a.rows.size() != b.rows.size()) return false;
  for (std::size_t i = 0; i < a.rows.size(); ++i) {
    if (std::memcmp(&a.rows[i].values, &b.rows[i].values, sizeof(JetScalars)) != 0) return false;
    if (a.rows[i].PF_pT != b.rows[i].PF_pT || a.rows[i].PF_id != b.rows[i].PF_id) return false;
    if (a.rows[i].genJetPF_pT != b.rows[i].genJetPF_pT) return false;
  }
  return true;
}

TEST(EventFactory, MakesABlockFromItsRequestAlone) {
  const PileupPool none;
  EventFactory one(experiment(), none, correction());
  EventFactory other(experiment(), none, correction());
  const BlockRequest request{11, 4, 81, 20};
  const Block fresh = one.make(request);
  other.make({11, 0, 1, 30});
  const Block after = other.make(request);
  ASSERT_GT(fresh.rows.size(), 5U);
  EXPECT_TRUE(same_rows(fresh, after));
  EXPECT_FALSE(same_rows(fresh, other.make({12, 4, 81, 20})));
}

TEST(EventFactory, MakesTheSameRowsWithAndWithoutCalibration) {
  const PileupPool none;
  EventFactory factory(experiment(), none, correction());
  const Block plain = factory.make({11, 4, 81, 20, true, false});
  const Block both = factory.make({11, 4, 81, 20, true, true});
  const Block alone = factory.make({11, 4, 81, 20, false, true});
  EXPECT_TRUE(same_rows(plain, both));
  EXPECT_TRUE(alone.rows.empty() && plain.calibration_jets.empty());
  ASSERT_EQ(alone.calibration_events.size(), 20U);
  ASSERT_EQ(alone.calibration_jets.size(), both.calibration_jets.size());
  const std::size_t bytes = alone.calibration_jets.size() * sizeof(CalibrationJet);
  EXPECT_EQ(std::memcmp(alone.calibration_jets.data(), both.calibration_jets.data(), bytes), 0);
}

TEST(EventFactory, CalibratesWithoutPileupWhatThereIsWithoutPileup) {
  // With no pileup at all, both reconstructions of an event are the same.
  const PileupPool none;
  EventFactory factory(experiment(), none, correction());
  const Block block = factory.make({5, 0, 1, 40, false, true});
  ASSERT_GT(block.calibration_jets.size(), 60U);
  int num_found = 0;
  for (const CalibrationJet& jet : block.calibration_jets) {
    EXPECT_EQ(jet.jetRawPt, jet.jetRawPtNoPU);
    EXPECT_EQ(jet.jetArea, jet.jetAreaNoPU);
    EXPECT_EQ(jet.rhoAll, jet.rhoNoPU);
    EXPECT_GE(jet.genJetPt, 10);
    EXPECT_LT(std::abs(jet.genJetEta), 5.2);
    num_found += jet.jetRawPt > 0 ? 1 : 0;
    if (jet.genJetPt > 50 && jet.jetRawPt > 0) {
      EXPECT_NEAR(jet.jetRawPt / jet.genJetPt, 1, 0.8);
    }
  }
  EXPECT_GT(num_found, 0.9 * block.calibration_jets.size());
}

TEST(EventFactory, MakesRowsThatAgreeWithThemselves) {
  const PileupPool none;
  EventFactory factory(experiment(), none, correction());
  const Block block = factory.make({3, 0, 1, 60});
  ASSERT_GT(block.rows.size(), 20U);
  const std::set<std::int32_t> flavors{-5, -4, -3, -2, -1, 0, 1, 2, 3, 4, 5, 21};
  for (const JetRow& row : block.rows) {
    const JetScalars& v = row.values;
    EXPECT_GT(v.jetPt, 30);
    EXPECT_LT(std::abs(v.jetEta), 2.5);
    EXPECT_EQ(v.jetMult, v.jetChargedMult + v.jetNeutralMult);
    EXPECT_TRUE(flavors.count(v.partonFlav) == 1) << v.partonFlav;
    EXPECT_TRUE(v.hadronFlav == 0 || v.hadronFlav == std::abs(v.partonFlav));
    EXPECT_EQ(v.isPartonUDS + v.isPartonG + v.isPartonOther, 1);
    EXPECT_GT(v.eventWeight, 0);
    double x = 0;
    double y = 0;
    int own = 0;
    for (std::size_t i = 0; i < row.PF_pT.size(); ++i) {
      EXPECT_LT(std::abs(row.PF_dEta[i]), 1);
      EXPECT_LT(std::abs(row.PF_dPhi[i]), 1);
      if (row.PF_fromAK4Jet[i] == 0) continue;
      ++own;
      EXPECT_GT(row.PF_fromPV[i], 0);
      x += row.PF_pT[i] * std::cos(row.PF_dPhi[i]);
      y += row.PF_pT[i] * std::sin(row.PF_dPhi[i]);
    }
    EXPECT_EQ(own, v.jetMult);
    EXPECT_NEAR(std::hypot(x, y), v.jetRawPt, 1e-4 * v.jetRawPt);
  }
}

}  // namespace
}  // namespace jetcal::sim
