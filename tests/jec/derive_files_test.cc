// SPDX-License-Identifier: Apache-2.0
#include <gmock/gmock.h>

#include <nlohmann/json.hpp>

#include "jetcal/base/error.h"
#include "jetcal/base/random.h"
#include "jetcal/jec/correction_files.h"
#include "tests/jec/derive_toy.h"

namespace jetcal::jec {
namespace {

using ::testing::StartsWith;

const Derivation& toy_derivation() {
  static const Derivation kDerivation = [] {
    DeriveOptions options;
    options.min_jets_eta = 5000;
    return derive(toy::make_jets(40000, 3), options);
  }();
  return kDerivation;
}

struct Points {
  std::vector<double> pt, eta, area, rho;
  JetTable table() const {
    return {static_cast<std::int64_t>(pt.size()),
            {{"JetPt", pt}, {"JetEta", eta}, {"JetA", area}, {"Rho", rho}},
            {}};
  }
};

Points random_points(int count) {
  Rng rng(5);
  Points points;
  for (int i = 0; i < count; ++i) {
    points.pt.push_back(3 * std::pow(2000, rng.uniform()));
    points.eta.push_back(-5.19 + 10.38 * rng.uniform());
    points.area.push_back(0.2 + 0.8 * rng.uniform());
    points.rho.push_back(80 * rng.uniform());
  }
  return points;
}

std::vector<double> factors(const JetCorrector& corrector, const Points& points) {
  std::vector<double> out(points.pt.size());
  corrector.factors(points.table(), out);
  return out;
}

TEST(CorrectionFiles, TextAndJsonAgreeWithEachOtherAndTheFits) {
  const Derivation& derivation = toy_derivation();
  const Points points = random_points(20000);
  const std::vector<double> text =
      factors(JetCorrector::parse(correction_texts(derivation, "Toy_V1_MC")), points);
  const std::vector<double> json =
      factors(JetCorrector::parse_json(correction_json(derivation, "Toy_V1_MC"),
                                       "Toy_V1_MC_L1L2L3Res_AK4PFchs"),
              points);
  for (std::size_t i = 0; i < points.pt.size(); ++i) {
    std::size_t bin = 0;
    while (std::abs(points.eta[i]) >= derivation.offset[bin].abs_eta.high) ++bin;
    const double l1 = derivation.offset[bin].factor(points.rho[i], points.pt[i], points.area[i]);
    const double expected = l1 * derivation.response[bin].factor(points.pt[i] * l1);
    // Only the order of the same double operations differs.
    EXPECT_NEAR(text[i], expected, 1e-9 * expected) << i;
    EXPECT_NEAR(json[i], text[i], 1e-9 * text[i]) << i;
  }
}

TEST(CorrectionFiles, HaveTheNamesAndHeadersOfCms) {
  const std::vector<CorrectionText> texts = correction_texts(toy_derivation(), "Toy_V1_MC");
  ASSERT_EQ(texts.size(), 4U);
  EXPECT_EQ(texts[0].name, "Toy_V1_MC_L1FastJet_AK4PFchs.txt");
  EXPECT_EQ(texts[3].name, "Toy_V1_MC_L2L3Residual_AK4PFchs.txt");
  EXPECT_THAT(texts[0].text,
              StartsWith("{1 JetEta 3 Rho JetPt JetA max(0.0001,1-(z/y)*([1]*(x-[0])*(1.+[2]*log(y/"
                         "15.)))) Correction L1FastJet}\n"));
  EXPECT_THAT(texts[1].text, StartsWith("{1 JetEta 1 JetPt [0]+log10(x/100.)*"));
  const auto json = nlohmann::json::parse(correction_json(toy_derivation(), "Toy_V1_MC").text);
  EXPECT_EQ(json["schema_version"], 2);
  EXPECT_EQ(json["compound_corrections"][0]["name"], "Toy_V1_MC_L1L2L3Res_AK4PFchs");
  EXPECT_EQ(json["compound_corrections"][0]["stack"].size(), 4U);
}

TEST(CorrectionFiles, AreTheSameBytesForTheSameInput) {
  DeriveOptions options;
  options.min_jets_eta = 5000;
  const Derivation again = derive(toy::make_jets(40000, 3), options);
  EXPECT_EQ(correction_json(again, "A").text, correction_json(toy_derivation(), "A").text);
  for (std::size_t i = 0; i < 4; ++i)
    EXPECT_EQ(correction_texts(again, "A")[i].text,
              correction_texts(toy_derivation(), "A")[i].text);
}

TEST(CorrectionFiles, RefuseATagThatIsNoFileName) {
  for (const char* tag : {"", "a/b", "a b", "../x"}) {
    EXPECT_THROW(correction_texts(toy_derivation(), tag), Error) << tag;
    EXPECT_THROW(correction_json(toy_derivation(), tag), Error) << tag;
  }
}

}  // namespace
}  // namespace jetcal::jec
