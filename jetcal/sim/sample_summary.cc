// SPDX-License-Identifier: Apache-2.0
#include "jetcal/sim/sample_summary.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdlib>

#include "jetcal/edm/flavor.h"

namespace jetcal::sim {

bool is_selected(const JetScalars& values) noexcept {
  return values.jetGenMatch != 0 && values.genJetPt > 20 && std::abs(values.genJetEta) < 2.5F;
}

void SampleStatistics::add(const JetRow& row) {
  const JetScalars& v = row.values;
  ++jets_;
  candidates_ += static_cast<std::int64_t>(row.PF_pT.size());
  constituents_ += v.jetMult;
  rho_ += v.rhoAll;
  pileup_ += v.Pileup_nPU;
  area_ += v.jetArea;
  double total = 0;
  double charged = 0;
  double photon = 0;
  double neutral_hadron = 0;
  for (std::size_t i = 0; i < row.PF_pT.size(); ++i) {
    if (row.PF_fromAK4Jet[i] == 0) continue;
    total += row.PF_pT[i];
    const int id = std::abs(row.PF_id[i]);
    (id == 22 || id == 2    ? photon
     : id == 130 || id == 1 ? neutral_hadron
                            : charged) += row.PF_pT[i];
  }
  if (total > 0) {
    charged_ += charged / total;
    photon_ += photon / total;
    neutral_hadron_ += neutral_hadron / total;
  }
  if (!is_selected(v)) return;
  ++flavors_[std::string(edm::flavor_name(edm::jet_flavor(v.hadronFlav, v.partonFlav)))];
  matched_.push_back({v.genJetPt, std::abs(v.genJetEta), v.jetPt / v.genJetPt});
}

static double quantile(const std::vector<float>& sorted, double share) {
  const double place = share * static_cast<double>(sorted.size() - 1);
  const auto low = static_cast<std::size_t>(place);
  const std::size_t high = std::min(low + 1, sorted.size() - 1);
  return sorted[low] + (place - static_cast<double>(low)) * (sorted[high] - sorted[low]);
}

void SampleStatistics::fill(ProductionSummary& summary) const {
  constexpr std::array kEta{0.0, 1.3, 2.5};
  constexpr std::array kPt{20., 30., 40., 60., 100., 200., 400., 800., 1600., 7000.};
  summary.jets = jets_;
  summary.jets_selected = static_cast<std::int64_t>(matched_.size());
  summary.candidates = candidates_;
  summary.flavors = flavors_;
  if (jets_ == 0) return;
  const auto jets = static_cast<double>(jets_);
  summary.constituents = static_cast<double>(constituents_) / jets;
  summary.box_candidates = static_cast<double>(candidates_) / jets;
  summary.charged_fraction = charged_ / jets;
  summary.photon_fraction = photon_ / jets;
  summary.neutral_hadron_fraction = neutral_hadron_ / jets;
  summary.rho_per_pileup = pileup_ > 0 ? rho_ / pileup_ : 0;
  summary.area = area_ / jets;
  for (std::size_t e = 0; e + 1 < kEta.size(); ++e) {
    for (std::size_t p = 0; p + 1 < kPt.size(); ++p) {
      std::vector<float> values;
      for (const Matched& jet : matched_) {
        if (jet.eta >= kEta[e] && jet.eta < kEta[e + 1] && jet.pt_gen >= kPt[p] &&
            jet.pt_gen < kPt[p + 1])
          values.push_back(jet.response);
      }
      if (values.empty()) continue;
      std::sort(values.begin(), values.end());
      const double median = quantile(values, 0.5);
      summary.response.push_back({kEta[e], kEta[e + 1], kPt[p], kPt[p + 1],
                                  static_cast<std::int64_t>(values.size()), median,
                                  (quantile(values, 0.75) - quantile(values, 0.25)) / median});
    }
  }
}

}  // namespace jetcal::sim
