// SPDX-License-Identifier: Apache-2.0
#include "jetcal/sim/correction.h"

#include <gtest/gtest.h>

#include "jetcal/base/error.h"
#include "jetcal/base/files.h"
#include "jetcal/base/temporary_folder.h"

namespace jetcal::sim {
namespace {

namespace fs = std::filesystem;

class CorrectionFiles : public testing::Test {
 protected:
  fs::path write(const char* name, const std::string& text) const {
    write_file(folder_ / name, text);
    return folder_ / name;
  }

 private:
  TemporaryFolder folder_;
};

Jet jet(double pt, double eta) { return {pt, eta, 0.5, 5, 0.5, {}, 0, 0}; }

TEST_F(CorrectionFiles, AreAppliedOneAfterTheOther) {
  const fs::path offset =
      write("L1.txt",
            "{1 JetEta 3 Rho JetPt JetA max(0.0001,1-z*[0]*x/y) Correction L1FastJet}\n"
            "-5 5 7 0 200 1 5000 0 10 0.4\n");
  const fs::path response = write("L2.txt",
                                  "{1 JetEta 1 JetPt (x<50)*2+(x>=50) Correction L2Relative}\n"
                                  "-5 5 2 1 5000\n");
  const Correction correction = Correction::open({offset, response});
  const std::vector<Jet> jets{jet(52, 0.1), jet(100, 2), jet(60, 5.1)};
  std::vector<double> factors(3);
  EXPECT_EQ(correction.factors(jets, 20, factors), 1);  // the third jet, outside of both files
  EXPECT_NEAR(factors[0], (52 - 4) / 52.0 * 2, 1e-12);  // the second sees 48 GeV
  EXPECT_NEAR(factors[1], 0.96, 1e-12);
  EXPECT_EQ(factors[2], 1);
  EXPECT_NE(correction.fingerprint(), Correction::open({response}).fingerprint());
}

TEST_F(CorrectionFiles, MayNotAskForWhatJetsDoNotHave) {
  const fs::path path = write("x.txt", "{1 JetEta 1 NPV 1 Correction L1Offset}\n-5 5 2 0 50\n");
  try {
    Correction::open({path});
    FAIL() << "no error";
  } catch (const Error& error) {
    EXPECT_NE(std::string(error.what()).find("NPV"), std::string::npos) << error.what();
  }
}

TEST(Correction, IsOneWithoutFiles) {
  const std::vector<Jet> jets{jet(52, 0.1)};
  std::vector<double> factors(1, 7);
  EXPECT_EQ(Correction().factors(jets, 20, factors), 0);
  EXPECT_EQ(factors[0], 1);
  EXPECT_NE(Correction().fingerprint(), Correction::standard().fingerprint());
}

TEST(Correction, OfTheCardsRaisesCentralJetsAndSubtractsPileup) {
  const std::vector<Jet> jets{jet(100, 0.1), jet(100, -2), jet(40, 1)};
  std::vector<double> low(3);
  std::vector<double> high(3);
  EXPECT_EQ(Correction::standard().factors(jets, 5, low), 0);
  EXPECT_EQ(Correction::standard().factors(jets, 25, high), 0);
  for (std::size_t i = 0; i < 3; ++i) {
    EXPECT_GT(low[i], 1.0);
    EXPECT_LT(low[i], 1.4);
    EXPECT_LT(high[i], low[i]);
  }
}

}  // namespace
}  // namespace jetcal::sim
