// SPDX-License-Identifier: Apache-2.0
#include "jetcal/sim/calibration_rows.h"

#include <algorithm>
#include <cmath>

namespace jetcal::sim {

namespace {

constexpr double kMinGenPt = 10;
constexpr double kMaxGenEta = 5.2;
constexpr std::size_t kMaxJets = 8;
constexpr double kMatchRadius = 0.2;

CalibrationEvent event_row(const EventRecord& event, const ReconstructedEvent& bare) {
  CalibrationEvent row;
  row.event = event.number;
  row.pthat = static_cast<float>(event.truth->pthat);
  row.eventWeight = static_cast<float>(event.truth->weight);
  row.Pileup_nPU = event.crossing->num_pileup;
  row.PV_npvsGood = event.reco->num_vertices;
  row.rhoAll = static_cast<float>(measure_densities(event.reco->candidates).all);
  row.rhoNoPU = static_cast<float>(measure_densities(bare.candidates).all);
  for (const Candidate& c : event.reco->candidates) {
    const double abs_eta = std::abs(c.eta);
    const bool central = abs_eta < 1.3;
    if (!central && (abs_eta <= 1.5 || abs_eta >= 2.5)) continue;
    if (c.charged)
      ++(central ? row.ch13 : row.ch25);
    else if (c.pdg == 22)
      ++(central ? row.ph13 : row.ph25);
    else
      ++(central ? row.nh13 : row.nh25);
  }
  return row;
}

CalibrationJet jet_row(const Jet& gen, const CalibrationEvent& event) {
  CalibrationJet row;
  row.genJetPt = static_cast<float>(gen.pt);
  row.genJetEta = static_cast<float>(gen.eta);
  row.genJetPhi = static_cast<float>(gen.phi);
  row.hadronFlav = gen.hadron_flavor;
  row.partonFlav = gen.parton_flavor;
  row.rhoAll = event.rhoAll;
  row.rhoNoPU = event.rhoNoPU;
  row.Pileup_nPU = event.Pileup_nPU;
  row.PV_npvsGood = event.PV_npvsGood;
  row.pthat = event.pthat;
  row.eventWeight = event.eventWeight;
  row.event = event.event;
  return row;
}

}  // namespace

Crossing without_pileup(const Crossing& crossing) {
  const auto end = std::find_if(crossing.vertex.begin(), crossing.vertex.end(),
                                [](std::int32_t vertex) { return vertex != 0; });
  const auto num_hard = end - crossing.vertex.begin();
  Crossing bare;
  bare.particles.assign(crossing.particles.begin(), crossing.particles.begin() + num_hard);
  bare.vertex.assign(static_cast<std::size_t>(num_hard), 0);
  bare.vertex_z.assign(1, crossing.vertex_z.at(0));
  return bare;
}

void append_calibration(const EventRecord& event, std::span<const Jet> jets,
                        const ReconstructedEvent& bare, const JetOptions& options,
                        std::vector<CalibrationJet>& jet_rows,
                        std::vector<CalibrationEvent>& event_rows) {
  constexpr double kMinRawPt = 1;
  event_rows.push_back(event_row(event, bare));
  const std::vector<Jet> bare_jets =
      find_reco_jets(bare.candidates, {}, options, event.ghost_seed, kMinRawPt);
  std::size_t num_jets = 0;
  for (const Jet& gen : find_gen_jets(event.truth->particles, options, event.truth)) {
    if (gen.pt < kMinGenPt || std::abs(gen.eta) >= kMaxGenEta) continue;
    if (++num_jets > kMaxJets) break;
    CalibrationJet row = jet_row(gen, event_rows.back());
    if (const Jet* jet = nearest_jet(gen, jets, kMatchRadius)) {
      row.jetRawPt = static_cast<float>(jet->pt);
      row.jetEta = static_cast<float>(jet->eta);
      row.jetArea = static_cast<float>(jet->area);
      row.jetMult = static_cast<std::int32_t>(jet->constituents.size());
    }
    if (const Jet* jet = nearest_jet(gen, bare_jets, kMatchRadius)) {
      row.jetRawPtNoPU = static_cast<float>(jet->pt);
      row.jetAreaNoPU = static_cast<float>(jet->area);
    }
    jet_rows.push_back(row);
  }
}

}  // namespace jetcal::sim
