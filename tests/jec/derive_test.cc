// SPDX-License-Identifier: Apache-2.0
#include "jetcal/jec/derive.h"

#include <gmock/gmock.h>

#include <cmath>
#include <limits>

#include "jetcal/base/error.h"
#include "jetcal/base/threads.h"
#include "tests/jec/derive_toy.h"

namespace jetcal::jec {
namespace {

using ::testing::HasSubstr;

constexpr std::int64_t kToyJets = 120000;

DeriveOptions toy_options() {
  DeriveOptions options;
  options.min_jets_eta = 12000;
  options.min_jets_pt = 300;
  return options;
}

const Derivation& toy_derivation() {
  static const Derivation kDerivation = derive(toy::make_jets(kToyJets, 1), toy_options());
  return kDerivation;
}

std::string message_of(const edm::CalibrationJets& jets, const DeriveOptions& options) {
  try {
    derive(jets, options);
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::InvalidArgument);
    return error.what();
  }
  return "";
}

TEST(Derive, RecoversTheOffsetOfTheToy) {
  for (const OffsetFit& fit : toy_derivation().offset) {
    ASSERT_FALSE(fit.no_offset);
    EXPECT_GT(fit.density_error, 0);
    EXPECT_LT(fit.density_error, 0.03);
    for (const double rho : {10.0, 17.0, 25.0}) {
      for (const double pt : {20.0, 100.0, 1000.0}) {
        const double offset = pt * (1 - fit.factor(rho, pt, 0.5));
        const double truth = 0.5 * toy::density(fit.abs_eta.low) * (rho - toy::kRhoZero);
        // An offset is known to 3 % or .08 GeV: the size of four statistical errors.
        EXPECT_NEAR(offset, truth, 0.08 + 0.03 * truth)
            << fit.abs_eta.low << " rho " << rho << " pt " << pt;
      }
    }
    EXPECT_LT(fit.chi2, 2.0 * static_cast<double>(fit.cells));
  }
}

TEST(Derive, RecoversTheResponseOfTheToy) {
  for (const ResponseFit& fit : toy_derivation().response) {
    const double abs_eta = fit.abs_eta.low;
    EXPECT_LT(fit.changes.back(), 0.002);
    for (const double pt_gen : {20.0, 30.0, 50.0, 100.0, 200.0, 400.0}) {
      const double pt_l1 = pt_gen * toy::response(pt_gen, abs_eta);
      const double limit = pt_gen < 30 ? 0.02 : 0.01;
      EXPECT_NEAR(fit.factor(pt_l1) * pt_l1 / pt_gen, 1, limit) << abs_eta << " pt " << pt_gen;
    }
  }
}

TEST(Derive, CoversEtaWithoutGapsAndKeepsBorders) {
  const Derivation& derivation = toy_derivation();
  double edge = 0;
  bool barrel_ends = false, endcap_ends = false;
  for (std::size_t i = 0; i < derivation.offset.size(); ++i) {
    EXPECT_EQ(derivation.offset[i].abs_eta.low, edge);
    EXPECT_EQ(derivation.response[i].abs_eta.low, edge);
    edge = derivation.offset[i].abs_eta.high;
    EXPECT_EQ(derivation.response[i].abs_eta.high, edge);
    barrel_ends = barrel_ends || edge == 1.305;
    endcap_ends = endcap_ends || edge == 2.5;
  }
  EXPECT_EQ(edge, 5.191);
  EXPECT_TRUE(barrel_ends);
  EXPECT_TRUE(endcap_ends);
  EXPECT_EQ(derivation.counts.eta_bins + derivation.counts.merged_eta_bins, 41);
}

TEST(Derive, CountsEveryJetOnce) {
  const DerivationCounts& counts = toy_derivation().counts;
  EXPECT_EQ(counts.jets, kToyJets);
  EXPECT_GE(counts.unmatched, kToyJets / 50);
  EXPECT_GT(counts.without_partner, 0);
  EXPECT_EQ(counts.jets, counts.below_pt_gen + counts.unmatched + counts.outside_eta + counts.used);
  std::int64_t used = 0, in_points = 0;
  for (const ResponseFit& fit : toy_derivation().response) {
    used += fit.jets;
    for (const ResponsePoint& point : fit.points) {
      in_points += point.jets;
      EXPECT_GT(point.matched_part, 0.8);
      EXPECT_LE(point.matched_part, 1.0);
    }
  }
  EXPECT_EQ(used, counts.used);
  EXPECT_EQ(in_points, counts.used);
}

TEST(Derive, GivesTheSameOnAnyNumberOfThreads) {
  const edm::CalibrationJets jets = toy::make_jets(40000, 2);
  const int threads = num_threads();
  set_num_threads(1);
  const std::string alone = to_json(derive(jets, toy_options())).dump();
  set_num_threads(4);
  const std::string together = to_json(derive(jets, toy_options())).dump();
  set_num_threads(threads);
  EXPECT_EQ(alone, together);
}

TEST(Derive, FactorsStayAtTheEdgesOfTheirRanges) {
  const ResponseFit& fit = toy_derivation().response.front();
  EXPECT_EQ(fit.factor(0.01), fit.factor(fit.pt.low));
  EXPECT_EQ(fit.factor(1e6), fit.factor(fit.pt.high));
  const OffsetFit& offset = toy_derivation().offset.front();
  EXPECT_EQ(offset.factor(1000, 50, 0.5), offset.factor(70, 50, 0.5));
  EXPECT_EQ(offset.factor(60, 1.5, 5), 1e-4);
}

TEST(Derive, SaysThatThereAreTooFewJets) {
  EXPECT_THAT(message_of(toy::make_jets(500, 1), {}), HasSubstr("too few jets"));
  EXPECT_THAT(message_of({}, {}), HasSubstr("too few jets"));
}

TEST(Derive, SaysThatPileupMustVary) {
  edm::CalibrationJets jets = toy::make_jets(20000, 1);
  jets.num_pileup.assign(jets.num_pileup.size(), 23);
  EXPECT_THAT(message_of(jets, toy_options()), HasSubstr("all of the sample have 23"));
}

TEST(Derive, NamesColumnAndRowOfANaN) {
  edm::CalibrationJets jets = toy::make_jets(20000, 1);
  jets.rho[1234] = std::numeric_limits<float>::quiet_NaN();
  EXPECT_THAT(message_of(jets, toy_options()), HasSubstr("rhoAll is not finite in row 1234"));
  jets.rho.pop_back();
  EXPECT_THAT(message_of(jets, toy_options()), HasSubstr("rhoAll has 19999 values"));
}

TEST(Derive, RefusesASingleIteration) {
  DeriveOptions options;
  options.iterations = 1;
  EXPECT_THAT(message_of(toy::make_jets(20000, 1), options), HasSubstr("iterations >= 2"));
}

}  // namespace
}  // namespace jetcal::jec
