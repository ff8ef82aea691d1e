// SPDX-License-Identifier: Apache-2.0
#include "jetcal/sim/jet_finder.h"

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <fastjet/ClusterSequence.hh>
#include <fastjet/ClusterSequenceArea.hh>

#include "jetcal/base/random.h"

namespace jetcal::sim {

namespace {

constexpr double kGhostScale = 1e-18;

fastjet::PseudoJet pseudo_jet(double pt, double eta, double phi, double mass, int index) {
  const double pz = pt * std::sinh(eta);
  const double energy = std::sqrt(pt * pt + pz * pz + mass * mass);
  fastjet::PseudoJet jet(pt * std::cos(phi), pt * std::sin(phi), pz, energy);
  jet.set_user_index(index);
  return jet;
}

/// Silences the banner that FastJet prints on standard output, which belongs to --json.
void silence_banner() { fastjet::ClusterSequence::set_fastjet_banner_stream(nullptr); }

Jet to_jet(const fastjet::PseudoJet& from) {
  return {from.pt(), from.eta(), from.phi_std(), std::max(from.m(), 0.0), 0, {}, 0, 0};
}

}  // namespace

void set_flavor(std::span<const Particle> hadrons, std::span<const Particle> partons, Jet& jet) {
  // The hadron lists come sorted by flavor: the pdg field holds 5 or 4 here.
  jet.hadron_flavor = 0;
  for (const Particle& p : hadrons) jet.hadron_flavor = std::max(jet.hadron_flavor, p.pdg);
  const Particle* heavy = nullptr;
  const Particle* light = nullptr;
  for (const Particle& p : partons) {
    const int flavor = std::abs(p.pdg);
    if (flavor == 4 || flavor == 5) {
      const bool heavier = heavy == nullptr || flavor > std::abs(heavy->pdg);
      if (heavier || (flavor == std::abs(heavy->pdg) && p.pt > heavy->pt)) heavy = &p;
    } else if (light == nullptr || p.pt > light->pt) {
      light = &p;
    }
  }
  const std::int32_t light_flavor = light == nullptr ? 0 : light->pdg;
  jet.parton_flavor = heavy == nullptr ? light_flavor : heavy->pdg;
  if (jet.hadron_flavor == 0 && heavy != nullptr) jet.parton_flavor = light_flavor;
  if (jet.hadron_flavor != 0 && std::abs(jet.parton_flavor) != jet.hadron_flavor)
    jet.parton_flavor = jet.hadron_flavor;
}

/// Returns 5 for a b hadron, 4 for a c hadron, by the digits of its PDG number.
static std::int32_t hadron_flavor_of(std::int32_t pdg) {
  const int number = std::abs(pdg) % 10000;
  return number / 1000 == 5 || number / 100 % 10 == 5 ? 5 : 4;
}

std::vector<Jet> find_reco_jets(std::span<const Candidate> candidates, const HardEvent& truth,
                                const JetOptions& options, std::uint64_t seed, double min_pt) {
  silence_banner();
  std::vector<fastjet::PseudoJet> inputs;
  const int num_candidates = static_cast<int>(candidates.size());
  const int num_hadrons = static_cast<int>(truth.flavor_hadrons.size());
  for (int i = 0; i < num_candidates; ++i) {
    const Candidate& c = candidates[static_cast<std::size_t>(i)];
    if (c.from_pv > 0) inputs.push_back(pseudo_jet(c.pt, c.eta, c.phi, c.mass, i));
  }
  int index = num_candidates;
  for (const auto* list : {&truth.flavor_hadrons, &truth.flavor_partons}) {
    for (const Particle& p : *list)
      inputs.push_back(pseudo_jet(kGhostScale * p.pt, p.eta, p.phi, 0, index++));
  }
  const fastjet::GhostedAreaSpec ghosts(options.ghost_max_rapidity, 1, options.ghost_area);
  const std::uint64_t mixed = mix64(seed);
  // Two positive seeds within the range of FastJet's generator.
  const std::vector<int> seeds{1 + static_cast<int>(mixed % 2147483000),
                               1 + static_cast<int>((mixed >> 32) % 2147483000)};
  const fastjet::AreaDefinition area =
      fastjet::AreaDefinition(fastjet::active_area_explicit_ghosts, ghosts).with_fixed_seed(seeds);
  const fastjet::ClusterSequenceArea clusters(
      inputs, fastjet::JetDefinition(fastjet::antikt_algorithm, options.radius), area);
  std::vector<Jet> jets;
  std::vector<Particle> hadrons;
  std::vector<Particle> partons;
  for (const fastjet::PseudoJet& found :
       fastjet::sorted_by_pt(clusters.inclusive_jets(std::max(min_pt, 1e-3)))) {
    Jet jet = to_jet(found);
    jet.area = found.area();
    hadrons.clear();
    partons.clear();
    for (const fastjet::PseudoJet& part : found.constituents()) {
      if (part.is_pure_ghost()) continue;
      const int row = part.user_index();
      if (row < num_candidates) {
        jet.constituents.push_back(row);
      } else if (row < num_candidates + num_hadrons) {
        Particle p = truth.flavor_hadrons[static_cast<std::size_t>(row - num_candidates)];
        p.pdg = hadron_flavor_of(p.pdg);
        hadrons.push_back(p);
      } else {
        const auto place = static_cast<std::size_t>(row - num_candidates - num_hadrons);
        partons.push_back(truth.flavor_partons[place]);
      }
    }
    std::stable_sort(jet.constituents.begin(), jet.constituents.end(), [&](int a, int b) {
      return candidates[static_cast<std::size_t>(a)].pt >
             candidates[static_cast<std::size_t>(b)].pt;
    });
    set_flavor(hadrons, partons, jet);
    jets.push_back(std::move(jet));
  }
  return jets;
}

std::vector<Jet> find_gen_jets(std::span<const Particle> particles, const JetOptions& options) {
  silence_banner();
  std::vector<fastjet::PseudoJet> inputs;
  for (std::size_t i = 0; i < particles.size(); ++i) {
    const Particle& p = particles[i];
    if (species_of(p.pdg) == Species::Neutrino) continue;
    inputs.push_back(pseudo_jet(p.pt, p.eta, p.phi, mass_of(p.pdg), static_cast<int>(i)));
  }
  const fastjet::ClusterSequence clusters(
      inputs, fastjet::JetDefinition(fastjet::antikt_algorithm, options.radius));
  std::vector<Jet> jets;
  for (const fastjet::PseudoJet& found :
       fastjet::sorted_by_pt(clusters.inclusive_jets(options.gen_min_pt))) {
    Jet jet = to_jet(found);
    for (const fastjet::PseudoJet& part : fastjet::sorted_by_pt(found.constituents()))
      jet.constituents.push_back(part.user_index());
    jets.push_back(std::move(jet));
  }
  return jets;
}

}  // namespace jetcal::sim
