// SPDX-License-Identifier: Apache-2.0
#include <gmock/gmock.h>

#include <cmath>

#include "jetcal/base/error.h"
#include "jetcal/base/threads.h"
#include "jetcal/jec/closure.h"
#include "jetcal/jec/correction_files.h"
#include "tests/jec/derive_toy.h"

namespace jetcal::jec {
namespace {

CorrectionText constant(const std::string& formula) {
  return {"toy",
          "{1 JetEta 1 JetPt " + formula + " Correction L2Relative}\n-5.191 5.191 2 1 6500\n"};
}

JetCorrector corrector(const std::string& formula) {
  const std::vector<CorrectionText> texts{constant(formula)};
  return JetCorrector::parse(texts);
}

// Jets whose raw response is `response`, smeared by 10 %, plus `slope` per pileup collision.
edm::CalibrationJets plain_jets(int count, double response, double slope) {
  edm::CalibrationJets jets = toy::make_jets(count, 7);
  Rng rng(8);
  for (std::size_t i = 0; i < jets.pt_gen.size(); ++i) {
    const double r = response * (1 + 0.1 * rng.normal()) + slope * (jets.num_pileup[i] - 23);
    jets.pt_raw[i] = static_cast<float>(jets.pt_gen[i] * r);
    jets.eta[i] = jets.eta_gen[i];
    jets.area[i] = 0.5F;
  }
  return jets;
}

const ClosureSeries& series_of(const Closure& closure, const std::string& region) {
  for (const ClosureSeries& series : closure.against_pt) {
    if (series.region == region) return series;
  }
  throw std::runtime_error("no region " + region);
}

TEST(Closure, RefusesACorrectionThatGivesNoNumbers) {
  EXPECT_THROW(measure_closure(plain_jets(1000, 0.8, 0), corrector("log(0-x)"), {}), Error);
}

TEST(Closure, PassesAPerfectCorrectionAndMissesOneThatIsOff) {
  const edm::CalibrationJets jets = plain_jets(150000, 0.8, 0);
  const Closure good = measure_closure(jets, corrector("1.25"), {});
  const Closure bad = measure_closure(jets, corrector("1.20"), {});
  int judged = 0;
  for (const ClosureBin& bin : series_of(good, "barrel").bins) {
    if (std::isnan(bin.target)) continue;
    ++judged;
    EXPECT_NEAR(bin.median, 1, 5 * bin.error) << bin.low;
  }
  EXPECT_EQ(judged, 16);
  for (const ClosureBin& bin : series_of(bad, "barrel").bins) {
    if (bin.verdict == Verdict::NoTarget) continue;
    EXPECT_NEAR(bin.median, 0.96, 5 * bin.error) << bin.low;
    EXPECT_EQ(bin.verdict, Verdict::Missed) << bin.low;
  }
  EXPECT_GT(bad.missed, 30);
  EXPECT_EQ(good.used + good.unmatched, good.jets);
}

TEST(Closure, HasTheTargetsOfTheBrief) {
  const Closure closure = measure_closure(plain_jets(20000, 1, 0), corrector("1"), {});
  for (const ClosureBin& bin : series_of(closure, "barrel").bins) {
    double target = std::nan("");
    if (bin.low >= 20) target = 0.02;
    if (bin.low >= 30) target = 0.01;
    if (bin.low >= 50 && bin.high <= 1000) target = 0.005;
    if (bin.high > 2000) target = std::nan("");
    EXPECT_EQ(std::isnan(bin.target), std::isnan(target)) << bin.low;
    if (!std::isnan(target)) {
      EXPECT_EQ(bin.target, target) << bin.low;
    }
  }
}

TEST(Closure, FindsTheSlopeInPileup) {
  constexpr double kSlope = 0.002;  // 0.2 % per collision
  const Closure closure = measure_closure(plain_jets(150000, 1, kSlope), corrector("1"), {});
  for (const ClosureSlope& slope : closure.against_pileup) {
    EXPECT_NEAR(slope.slope, 100 * kSlope, 4 * slope.error) << slope.series.pt_gen.low;
    EXPECT_LT(slope.error, 0.05);
    EXPECT_EQ(slope.verdict, slope.series.pt_gen.low >= 30 ? Verdict::Missed : Verdict::NoTarget);
  }
  const Closure flat = measure_closure(plain_jets(150000, 1, 0), corrector("1"), {});
  for (const ClosureSlope& slope : flat.against_pileup)
    EXPECT_NEAR(slope.slope, 0, 4 * slope.error) << slope.series.pt_gen.low;
}

TEST(Closure, OfDerivedCorrectionsHoldsOnOtherJets) {
  DeriveOptions options;
  options.min_jets_eta = 12000;
  const Derivation derivation = derive(toy::make_jets(150000, 11), options);
  const JetCorrector derived = JetCorrector::parse(correction_texts(derivation, "Toy"));
  const Closure closure = measure_closure(toy::make_jets(150000, 12), derived, {});
  for (const char* region : {"barrel", "endcap"}) {
    for (const ClosureBin& bin : series_of(closure, region).bins) {
      if (std::isnan(bin.target) || std::isnan(bin.median)) continue;
      // Derived and measured on equally many jets: both fluctuate.
      EXPECT_NEAR(bin.median, 1, bin.target + 3 * bin.error) << region << " " << bin.low;
    }
  }
  for (const ClosureSlope& slope : closure.against_pileup) {
    if (slope.series.pt_gen.low >= 30) {
      EXPECT_NEAR(slope.slope, 0, 0.05 + 3 * slope.error) << slope.series.pt_gen.low;
    }
  }
}

TEST(Closure, DoesNotDependOnTheNumberOfThreads) {
  const edm::CalibrationJets jets = plain_jets(20000, 1, 0);
  const int threads = num_threads();
  set_num_threads(1);
  const std::string alone = to_json(measure_closure(jets, corrector("1"), {})).dump();
  set_num_threads(3);
  EXPECT_EQ(to_json(measure_closure(jets, corrector("1"), {})).dump(), alone);
  set_num_threads(threads);
}

TEST(Closure, GivesNoNumberForBinsWithFewJets) {
  const Closure closure = measure_closure(plain_jets(3000, 1, 0), corrector("1"), {});
  std::int64_t without = 0;
  for (const ClosureSeries& series : closure.against_pt) {
    for (const ClosureBin& bin : series.bins) {
      EXPECT_EQ(std::isnan(bin.median), bin.jets < 100);
      without += bin.verdict == Verdict::TooFewJets;
    }
  }
  EXPECT_GT(without, 0);
}

TEST(Closure, NeedsMatchedJets) {
  edm::CalibrationJets jets = plain_jets(100, 1, 0);
  jets.pt_raw.assign(jets.pt_raw.size(), 0);
  EXPECT_THROW(measure_closure(jets, corrector("1"), {}), Error);
}

}  // namespace
}  // namespace jetcal::jec
