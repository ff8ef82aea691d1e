// SPDX-License-Identifier: Apache-2.0
#include "jetcal/sim/jet_finder.h"

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <fastjet/ClusterSequence.hh>

#include "jetcal/sim/ghost_area.h"

namespace jetcal::sim {

namespace {

constexpr double kGhostScale = 1e-18;  // of flavor ghosts, as CMS has it

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

/// Returns 5 for a b hadron, 4 for a c hadron, by the digits of its PDG number.
std::int32_t hadron_flavor_of(std::int32_t pdg) {
  const int number = std::abs(pdg) % 10000;
  return number / 1000 == 5 || number / 100 % 10 == 5 ? 5 : 4;
}

/// The flavor hadrons and partons of an event among the inputs of a clustering.
class FlavorGhosts {
 public:
  FlavorGhosts(const HardEvent& truth, const JetOptions& options, int first_index)
      : options_(options),
        hadrons_(truth.flavor_hadrons),
        partons_(options.takes_any_parton() ? truth.all_partons : truth.flavor_partons),
        first_(first_index) {
    for (Particle& p : hadrons_) p.pdg = hadron_flavor_of(p.pdg);
  }
  void add_to(std::vector<fastjet::PseudoJet>& inputs) const {
    int index = first_;
    for (const auto* list : {&hadrons_, &partons_}) {
      for (const Particle& p : *list)
        inputs.push_back(pseudo_jet(kGhostScale * p.pt, p.eta, p.phi, 0, index++));
    }
  }
  /// Sorts the inputs of a jet: rows of real particles are kept in it, ghosts give its flavor.
  void take(const std::vector<fastjet::PseudoJet>& parts, Jet& jet) const {
    std::vector<Particle> hadrons;
    std::vector<Particle> partons;
    for (const fastjet::PseudoJet& part : parts) {
      const int row = part.user_index();
      if (row < first_) {
        jet.constituents.push_back(row);
      } else {
        const auto place = static_cast<std::size_t>(row - first_);
        if (place < hadrons_.size())
          hadrons.push_back(hadrons_[place]);
        else
          partons.push_back(partons_[place - hadrons_.size()]);
      }
    }
    set_flavor(hadrons, partons, options_, jet);
  }

 private:
  const JetOptions& options_;
  std::vector<Particle> hadrons_;
  std::vector<Particle> partons_;
  int first_;
};

}  // namespace

void set_flavor(std::span<const Particle> hadrons, std::span<const Particle> partons,
                const JetOptions& options, Jet& jet) {
  // The pdg field of the hadrons holds their flavor, 5 or 4.
  jet.hadron_flavor = 0;
  for (const Particle& p : hadrons) jet.hadron_flavor = std::max(jet.hadron_flavor, p.pdg);
  const Particle* heavy = nullptr;
  const Particle* light = nullptr;
  const Particle* hardest = nullptr;
  for (const Particle& p : partons) {
    const int flavor = std::abs(p.pdg);
    if (hardest == nullptr || p.pt > hardest->pt) hardest = &p;
    if (flavor == 4 || flavor == 5) {
      const bool heavier = heavy == nullptr || flavor > std::abs(heavy->pdg);
      if (heavier || (flavor == std::abs(heavy->pdg) && p.pt > heavy->pt)) heavy = &p;
    } else if (light == nullptr || p.pt > light->pt) {
      light = &p;
    }
  }
  const Particle* chosen = heavy == nullptr || options.takes_any_parton() ? hardest : heavy;
  jet.parton_flavor = chosen == nullptr ? 0 : chosen->pdg;
  const int flavor = std::abs(jet.parton_flavor);
  if (jet.hadron_flavor != 0 && flavor != jet.hadron_flavor)
    jet.parton_flavor = jet.hadron_flavor;
  else if (jet.hadron_flavor == 0 && (flavor == 4 || flavor == 5))
    jet.parton_flavor = light == nullptr ? 0 : light->pdg;
}

std::vector<Jet> find_reco_jets(std::span<const Candidate> candidates, const HardEvent& truth,
                                const JetOptions& options, std::uint64_t seed, double min_pt) {
  silence_banner();
  std::vector<fastjet::PseudoJet> inputs;
  const int num_candidates = static_cast<int>(candidates.size());
  for (int i = 0; i < num_candidates; ++i) {
    const Candidate& c = candidates[static_cast<std::size_t>(i)];
    if (c.from_pv > 0) inputs.push_back(pseudo_jet(c.pt, c.eta, c.phi, c.mass, i));
  }
  const FlavorGhosts flavors(truth, options, num_candidates);
  flavors.add_to(inputs);
  const fastjet::ClusterSequence clusters(
      inputs, fastjet::JetDefinition(fastjet::antikt_algorithm, options.radius));
  const GhostGrid grid(options, seed);
  const std::vector<int> num_ghosts = count_ghosts(clusters, grid, options.radius);
  std::vector<Jet> jets;
  for (const fastjet::PseudoJet& found :
       fastjet::sorted_by_pt(clusters.inclusive_jets(std::max(min_pt, 1e-3)))) {
    Jet jet = to_jet(found);
    const auto entry = static_cast<std::size_t>(found.cluster_hist_index());
    jet.area = num_ghosts[entry] * grid.cell_area();
    flavors.take(found.constituents(), jet);
    std::stable_sort(jet.constituents.begin(), jet.constituents.end(), [&](int a, int b) {
      return candidates[static_cast<std::size_t>(a)].pt >
             candidates[static_cast<std::size_t>(b)].pt;
    });
    jets.push_back(std::move(jet));
  }
  return jets;
}

std::vector<Jet> find_gen_jets(std::span<const Particle> particles, const JetOptions& options,
                               const HardEvent* flavors) {
  silence_banner();
  std::vector<fastjet::PseudoJet> inputs;
  for (std::size_t i = 0; i < particles.size(); ++i) {
    const Particle& p = particles[i];
    if (species_of(p.pdg) == Species::Neutrino) continue;
    inputs.push_back(pseudo_jet(p.pt, p.eta, p.phi, mass_of(p.pdg), static_cast<int>(i)));
  }
  const FlavorGhosts ghosts(flavors != nullptr ? *flavors : HardEvent{}, options,
                            static_cast<int>(particles.size()));
  ghosts.add_to(inputs);
  const fastjet::ClusterSequence clusters(
      inputs, fastjet::JetDefinition(fastjet::antikt_algorithm, options.radius));
  std::vector<Jet> jets;
  for (const fastjet::PseudoJet& found :
       fastjet::sorted_by_pt(clusters.inclusive_jets(options.gen_min_pt))) {
    Jet jet = to_jet(found);
    ghosts.take(fastjet::sorted_by_pt(found.constituents()), jet);
    jets.push_back(std::move(jet));
  }
  return jets;
}

const Jet* nearest_jet(const Jet& jet, std::span<const Jet> others, double radius) {
  const Jet* best = nullptr;
  double nearest = radius;
  for (const Jet& other : others) {
    const double d = std::hypot(jet.eta - other.eta, wrap_phi(jet.phi - other.phi));
    if (d >= nearest) continue;
    nearest = d;
    best = &other;
  }
  return best;
}

}  // namespace jetcal::sim
