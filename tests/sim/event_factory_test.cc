// SPDX-License-Identifier: Apache-2.0
#include "jetcal/sim/event_factory.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
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

/// The quark-gluon variables of CMS's QGTagger from the stored constituents: charged ones of the
/// hard vertex, neutral ones above 1 GeV; the minor axis by the eigenvalues of the covariance.
void expect_quark_gluon(const JetRow& row) {
  double sum = 0;
  double weight = 0;
  double moments[5] = {};
  int count = 0;
  for (std::size_t i = 0; i < row.PF_pT.size(); ++i) {
    if (row.PF_fromAK4Jet[i] == 0) continue;
    const int id = std::abs(row.PF_id[i]);
    const bool charged = id == 211 || id == 11 || id == 13;
    if (charged ? row.PF_fromPV[i] != 3 : row.PF_pT[i] <= 1) continue;
    const double w = static_cast<double>(row.PF_pT[i]) * row.PF_pT[i];
    const double x = row.PF_dEta[i];
    const double y = row.PF_dPhi[i];
    ++count;
    sum += row.PF_pT[i];
    weight += w;
    const double terms[5] = {x, y, x * x, y * y, x * y};
    for (int k = 0; k < 5; ++k) moments[k] += w * terms[k];
  }
  EXPECT_EQ(row.values.QG_mult, count);
  EXPECT_EQ(row.values.jetQGl, -1);
  if (count == 0) return;
  for (double& moment : moments) moment /= weight;
  const double a = moments[2] - moments[0] * moments[0];
  const double b = moments[3] - moments[1] * moments[1];
  const double c = moments[4] - moments[0] * moments[1];
  const double minor = (a + b) / 2 - std::sqrt((a - b) * (a - b) / 4 + c * c);
  EXPECT_NEAR(row.values.QG_ptD, std::sqrt(weight) / sum, 1e-4);
  EXPECT_NEAR(row.values.QG_axis2, std::sqrt(std::max(minor, 0.0)), 1e-3);
}

TEST(EventFactory, GivesTheQuarkGluonVariablesOfTheConstituents) {
  const PileupPool none;
  EventFactory factory(experiment(), none, correction());
  const Block block = factory.make({8, 0, 1, 25});
  ASSERT_GT(block.rows.size(), 10U);
  for (const JetRow& row : block.rows) expect_quark_gluon(row);
}

}  // namespace
}  // namespace jetcal::sim
