// SPDX-License-Identifier: Apache-2.0
#include "jetcal/sim/correction.h"

#include <algorithm>

#include "jetcal/base/error.h"
#include "jetcal/base/files.h"
#include "jetcal/sim/cards.h"

namespace jetcal::sim {

Correction Correction::standard() {
  std::vector<jec::CorrectionText> texts;
  Correction correction;
  for (const CorrectionCard& card : correction_cards()) {
    texts.push_back({card.name, card.text});
    correction.fingerprint_ = hash_bytes(card.text, correction.fingerprint_ + 1);
  }
  correction.corrector_ = jec::JetCorrector::parse(texts);
  return correction;
}

Correction Correction::open(const std::vector<std::filesystem::path>& files) {
  Correction correction;
  correction.corrector_ = jec::JetCorrector::open(files);
  for (const std::filesystem::path& file : files)
    correction.fingerprint_ = hash_bytes(read_file(file), correction.fingerprint_ + 1);
  for (const std::string& input : correction.corrector_->inputs()) {
    if (input != "JetPt" && input != "JetEta" && input != "JetPhi" && input != "JetA" &&
        input != "Rho")
      fail(ErrorCode::InvalidArgument, "the correction needs ", input,
           ", which simulated jets do not have: ", files.front().string());
  }
  return correction;
}

std::int64_t Correction::factors(std::span<const Jet> jets, double rho,
                                 std::span<double> out) const {
  std::fill(out.begin(), out.end(), 1.0);
  if (!corrector_ || jets.empty()) return 0;
  std::vector<double> pt;
  std::vector<double> eta;
  std::vector<double> phi;
  std::vector<double> area;
  for (const Jet& jet : jets) {
    pt.push_back(jet.pt);
    eta.push_back(jet.eta);
    phi.push_back(jet.phi);
    area.push_back(jet.area);
  }
  const std::vector<double> density(jets.size(), rho);
  jec::JetTable table;
  table.rows = static_cast<std::int64_t>(jets.size());
  table.columns = {
      {"JetPt", pt}, {"JetEta", eta}, {"JetPhi", phi}, {"JetA", area}, {"Rho", density}};
  return corrector_->factors(table, out).count;
}

}  // namespace jetcal::sim
