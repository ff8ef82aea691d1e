// SPDX-License-Identifier: Apache-2.0
#include "jetcal/data/detail/jet_gather.h"

#include <algorithm>

namespace jetcal::data::detail {

void prefetch_jet(const JetPlace& place) {
  const edm::JetView& jets = *place.jets;
  __builtin_prefetch(&jets.offsets[place.row]);
  for (const auto& column : {jets.pt_reco, jets.eta, jets.phi, jets.mass, jets.area, jets.qg_pt_d,
                             jets.qg_axis2, jets.pt_gen}) {
    __builtin_prefetch(&column[place.row]);
  }
  __builtin_prefetch(&jets.qg_mult[place.row]);
}

void prefetch_particles(const JetPlace& place, edm::InputMode mode) {
  const edm::JetView& jets = *place.jets;
  const std::int64_t begin = jets.offsets[place.row];
  std::int64_t end = jets.offsets[place.row + 1];
  if (mode == edm::InputMode::Paper) end = std::min(end, begin + edm::kPaperMaxParticles);
  const auto lines = [begin, end](const auto& column) {
    constexpr std::int64_t kLine = 64 / sizeof(column[0]);
    for (std::int64_t p = begin; p < end; p += kLine) __builtin_prefetch(&column[p]);
    if (end > begin) __builtin_prefetch(&column[end - 1]);
  };
  lines(jets.pf_pt);
  lines(jets.pf_d_eta);
  lines(jets.pf_d_phi);
  if (mode == edm::InputMode::Constituents) lines(jets.pf_from_jet);
}

}  // namespace jetcal::data::detail
