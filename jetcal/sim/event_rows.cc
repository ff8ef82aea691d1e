// SPDX-License-Identifier: Apache-2.0
#include "jetcal/sim/event_rows.h"

#include <algorithm>
#include <cmath>
#include <cstdlib>

namespace jetcal::sim {

namespace {

constexpr double kBoxHalfWidth = 1.0;  // candidates with |dEta| < 1 and |dPhi| < 1 are stored

double distance(double eta_a, double phi_a, double eta_b, double phi_b) {
  return std::hypot(eta_a - eta_b, wrap_phi(phi_a - phi_b));
}

/// A reconstructed jet with its corrected pT and its gen jet.
struct CorrectedJet {
  const Jet* jet;
  double factor;
  const Jet* gen = nullptr;
  double pt() const { return jet->pt * factor; }
};

std::int32_t uds(std::int32_t flavor) { return flavor != 0 && std::abs(flavor) <= 3 ? 1 : 0; }
std::int32_t gluon(std::int32_t flavor) { return flavor == 21 ? 1 : 0; }

void set_flavor_values(const CorrectedJet& jet, const HardEvent& truth, JetScalars& v) {
  v.partonFlav = jet.jet->parton_flavor;
  v.hadronFlav = jet.jet->hadron_flavor;
  double nearest = 0.4;  // physics definition: the parton of the matrix element near the axis
  for (const Particle& p : truth.hard_partons) {
    if (p.pt <= 0) continue;
    const double d = distance(jet.jet->eta, jet.jet->phi, p.eta, p.phi);
    if (d >= nearest) continue;
    nearest = d;
    v.physFlav = p.pdg;
  }
  v.isPhysUDS = uds(v.physFlav);
  v.isPhysG = gluon(v.physFlav);
  v.isPhysOther = 1 - v.isPhysUDS - v.isPhysG;
  v.isPartonUDS = uds(v.partonFlav);
  v.isPartonG = gluon(v.partonFlav);
  v.isPartonOther = 1 - v.isPartonUDS - v.isPartonG;
}

/// Quark-gluon variables: charged candidates in the fit of the hard vertex and neutrals above 1
/// GeV.
void set_quark_gluon(const Jet& jet, const std::vector<Candidate>& candidates, JetScalars& v) {
  double sum = 0;
  double sum2 = 0;
  double eta = 0;
  double phi = 0;
  double eta2 = 0;
  double phi2 = 0;
  double eta_phi = 0;
  for (const std::int32_t row : jet.constituents) {
    const Candidate& c = candidates[static_cast<std::size_t>(row)];
    if (c.charged ? c.from_pv != 3 : c.pt <= 1) continue;
    ++v.QG_mult;
    const double d_eta = c.eta - jet.eta;
    const double d_phi = wrap_phi(c.phi - jet.phi);
    const double weight = c.pt * c.pt;
    sum += c.pt;
    sum2 += weight;
    eta += weight * d_eta;
    phi += weight * d_phi;
    eta2 += weight * d_eta * d_eta;
    phi2 += weight * d_phi * d_phi;
    eta_phi += weight * d_eta * d_phi;
  }
  v.jetQGl = -1;  // CMS: no likelihood; it needs densities that only CMS has
  if (sum2 <= 0) return;
  v.QG_ptD = static_cast<float>(std::sqrt(sum2) / sum);
  const double a = eta2 / sum2 - eta / sum2 * (eta / sum2);
  const double b = phi2 / sum2 - phi / sum2 * (phi / sum2);
  const double c = eta_phi / sum2 - eta / sum2 * (phi / sum2);
  const double minor = 0.5 * (a + b - std::hypot(a - b, 2 * c));
  v.QG_axis2 = static_cast<float>(std::sqrt(std::max(minor, 0.0)));
}

/// Multiplicities, girth and the CMS 2016 jet identification.
void set_composition(const Jet& jet, const std::vector<Candidate>& candidates, JetScalars& v) {
  double girth = 0;
  double charged_hadron = 0;
  double neutral_hadron = 0;
  double photon = 0;
  double electron = 0;
  double total = 0;
  for (const std::int32_t row : jet.constituents) {
    const Candidate& c = candidates[static_cast<std::size_t>(row)];
    const double energy = std::hypot(c.pt * std::cosh(c.eta), c.mass);
    total += energy;
    girth += c.pt * distance(c.eta, c.phi, jet.eta, jet.phi);
    ++v.jetMult;
    v.jetChargedMult += c.charged ? 1 : 0;
    v.jetNeutralMult += c.charged ? 0 : 1;
    switch (std::abs(c.pdg)) {
      case 211:
        ++v.jetChargedHadronMult;
        charged_hadron += energy;
        break;
      case 130:
      case 1:
        ++v.jetNeutralHadronMult;
        neutral_hadron += energy;
        break;
      case 22:
      case 2:
        photon += energy;
        break;
      case 11:
        electron += energy;
        break;
      default:
        break;
    }
  }
  v.jetGirth = static_cast<float>(girth / jet.pt);
  const bool central = std::abs(jet.eta) <= 2.4;
  const bool charged =
      !central || (charged_hadron > 0 && v.jetChargedMult > 0 && electron < 0.99 * total);
  v.jetLooseID = neutral_hadron < 0.99 * total && photon < 0.99 * total && v.jetMult > 1 && charged;
  v.jetTightID = v.jetLooseID != 0 && neutral_hadron < 0.90 * total && photon < 0.90 * total;
}

/// Appends one particle's place relative to an axis to a pair of columns.
void push_angles(double d_eta, double d_phi, std::vector<float>& d_r, std::vector<float>& d_theta) {
  d_r.push_back(static_cast<float>(std::hypot(d_eta, d_phi)));
  d_theta.push_back(static_cast<float>(std::atan2(d_phi, d_eta)));
}

/// Stores every candidate of the event in the box around the jet, in the event's order.
void add_box(const Jet& jet, const std::vector<Candidate>& candidates, JetRow& row) {
  std::vector<char> own(candidates.size(), 0);
  for (const std::int32_t i : jet.constituents) own[static_cast<std::size_t>(i)] = 1;
  for (std::size_t i = 0; i < candidates.size(); ++i) {
    const Candidate& c = candidates[i];
    const double d_eta = c.eta - jet.eta;
    const double d_phi = wrap_phi(c.phi - jet.phi);
    if (std::abs(d_eta) >= kBoxHalfWidth || std::abs(d_phi) >= kBoxHalfWidth) continue;
    row.PF_pT.push_back(static_cast<float>(c.pt));
    push_angles(d_eta, d_phi, row.PF_dR, row.PF_dTheta);
    row.PF_dPhi.push_back(static_cast<float>(d_phi));
    row.PF_dEta.push_back(static_cast<float>(d_eta));
    row.PF_mass.push_back(static_cast<float>(c.mass));
    row.PF_id.push_back(c.pdg);
    row.PF_fromPV.push_back(c.from_pv);
    row.PF_fromAK4Jet.push_back(own[i]);
  }
}

void add_gen(const Jet& gen, const std::vector<Particle>& particles, JetRow& row) {
  row.values.jetGenMatch = 1;
  row.values.genJetPt = static_cast<float>(gen.pt);
  row.values.genJetEta = static_cast<float>(gen.eta);
  row.values.genJetPhi = static_cast<float>(gen.phi);
  row.values.genJetMass = static_cast<float>(gen.mass);
  for (const std::int32_t i : gen.constituents) {
    const Particle& p = particles[static_cast<std::size_t>(i)];
    row.genJetPF_pT.push_back(p.pt);
    push_angles(p.eta - gen.eta, wrap_phi(p.phi - gen.phi), row.genJetPF_dR, row.genJetPF_dTheta);
    row.genJetPF_mass.push_back(static_cast<float>(mass_of(p.pdg)));
    row.genJetPF_id.push_back(p.pdg);
  }
}

/// What all rows of an event share.
JetScalars event_values(const EventRecord& event, const Densities& rho,
                        const std::vector<CorrectedJet>& jets) {
  JetScalars v;
  v.event = event.number;
  v.run = 1;
  v.lumi = event.lumi;
  v.pthat = static_cast<float>(event.truth->pthat);
  v.eventWeight = static_cast<float>(event.truth->weight);
  v.rhoAll = static_cast<float>(rho.all);
  v.rhoCentral = static_cast<float>(rho.central);
  v.rhoCentralNeutral = static_cast<float>(rho.central_neutral);
  v.rhoCentralChargedPileUp = static_cast<float>(rho.central_charged_pileup);
  v.PV_npvsGood = event.reco->num_vertices;
  v.Pileup_nPU = event.crossing->num_pileup;
  v.Pileup_nTrueInt = static_cast<float>(event.crossing->mean_pileup);
  v.dPhiJetsLO = static_cast<float>(wrap_phi(jets[0].jet->phi - jets[1].jet->phi));
  v.dEtaJetsLO = static_cast<float>(jets[0].jet->eta - jets[1].jet->eta);
  if (jets.size() > 2)
    v.alpha = static_cast<float>(jets[2].pt() / (0.5 * (jets[0].pt() + jets[1].pt())));
  return v;
}

JetRow make_row(const CorrectedJet& jet, const EventRecord& event, const JetScalars& shared) {
  const std::vector<Candidate>& candidates = event.reco->candidates;
  JetRow row;
  row.values = shared;
  JetScalars& v = row.values;
  v.jetPt = static_cast<float>(jet.pt());
  v.jetEta = static_cast<float>(jet.jet->eta);
  v.jetPhi = static_cast<float>(jet.jet->phi);
  v.jetMass = static_cast<float>(jet.jet->mass * jet.factor);
  v.jetArea = static_cast<float>(jet.jet->area);
  v.jetRawPt = static_cast<float>(jet.jet->pt);
  v.jetRawMass = static_cast<float>(jet.jet->mass);
  set_composition(*jet.jet, candidates, v);
  set_quark_gluon(*jet.jet, candidates, v);
  set_flavor_values(jet, *event.truth, v);
  if (jet.gen != nullptr) add_gen(*jet.gen, event.truth->particles, row);
  add_box(*jet.jet, candidates, row);
  return row;
}

}  // namespace

std::int64_t append_rows(const EventRecord& event, std::span<const Jet> found,
                         const Correction& correction, const JetOptions& options,
                         std::vector<JetRow>& rows) {
  const Densities rho = measure_densities(event.reco->candidates);
  const auto soft =
      std::find_if(found.begin(), found.end(), [](const Jet& jet) { return jet.pt < kMinRawPt; });
  found = found.first(static_cast<std::size_t>(soft - found.begin()));
  std::vector<double> factors(found.size());
  const std::int64_t num_outside = correction.factors(found, rho.all, factors);
  std::vector<CorrectedJet> jets;
  jets.reserve(found.size());
  for (std::size_t i = 0; i < found.size(); ++i) jets.push_back({&found[i], factors[i]});
  std::stable_sort(jets.begin(), jets.end(),
                   [](const CorrectedJet& a, const CorrectedJet& b) { return a.pt() > b.pt(); });
  const auto passes = [&](const CorrectedJet& jet) {
    return jet.pt() > options.min_pt && std::abs(jet.jet->eta) < options.max_eta;
  };
  if (jets.size() < 2 || !passes(jets[0]) || !passes(jets[1])) return num_outside;
  const std::vector<Jet> gen_jets = find_gen_jets(event.truth->particles, options);
  JetScalars shared = event_values(event, rho, jets);
  shared.eventJetMult = static_cast<std::int32_t>(std::count_if(jets.begin(), jets.end(), passes));
  for (CorrectedJet& jet : jets) {
    if (!passes(jet)) continue;
    jet.gen = nearest_jet(*jet.jet, gen_jets, options.match_radius);
    rows.push_back(make_row(jet, event, shared));
    ++shared.jetPtOrder;
  }
  return num_outside;
}

}  // namespace jetcal::sim
