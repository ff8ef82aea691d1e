// SPDX-License-Identifier: Apache-2.0
#include "jetcal/sim/jet_finder.h"

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <fastjet/ClusterSequence.hh>

#include "jetcal/base/random.h"

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

/// Appends area ghosts, one in each cell of a grid, with user index -1; returns the area of a cell.
///
/// Every row of the grid has its own random numbers: a wider grid leaves the inner rows as they
/// are.
double add_area_ghosts(const JetOptions& options, std::uint64_t seed,
                       std::vector<fastjet::PseudoJet>& inputs) {
  constexpr double kGhostPt = 1e-100;  // FastJet's own
  const double height = std::sqrt(options.ghost_area);
  const int num_phi = static_cast<int>(std::ceil(2 * M_PI / height));
  const double width = 2 * M_PI / num_phi;
  const int num_rows = static_cast<int>(std::ceil(options.ghost_max_rapidity / height - 1e-9));
  for (int row = -num_rows; row < num_rows; ++row) {
    Rng rng(mix64(seed, static_cast<std::uint64_t>(row + 1000000)));
    for (int column = 0; column < num_phi; ++column) {
      const double rapidity = (row + rng.uniform()) * height;
      const double phi = (column + rng.uniform()) * width;
      const double pt = kGhostPt * (0.95 + 0.1 * rng.uniform());
      inputs.push_back(pseudo_jet(pt, rapidity, phi, 0, -1));
    }
  }
  return width * height;
}

/// The flavor hadrons and partons of an event among the inputs of a clustering.
class FlavorGhosts {
 public:
  FlavorGhosts(const HardEvent& truth, int first_index)
      : hadrons_(truth.flavor_hadrons), partons_(truth.flavor_partons), first_(first_index) {
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
  void take(const std::vector<fastjet::PseudoJet>& parts, double cell_area, Jet& jet) const {
    std::vector<Particle> hadrons;
    std::vector<Particle> partons;
    int num_area_ghosts = 0;
    for (const fastjet::PseudoJet& part : parts) {
      const int row = part.user_index();
      if (row < 0) {
        ++num_area_ghosts;
      } else if (row < first_) {
        jet.constituents.push_back(row);
      } else {
        const auto place = static_cast<std::size_t>(row - first_);
        if (place < hadrons_.size())
          hadrons.push_back(hadrons_[place]);
        else
          partons.push_back(partons_[place - hadrons_.size()]);
      }
    }
    jet.area = num_area_ghosts * cell_area;
    set_flavor(hadrons, partons, jet);
  }

 private:
  std::vector<Particle> hadrons_;
  std::vector<Particle> partons_;
  int first_;
};

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

std::vector<Jet> find_reco_jets(std::span<const Candidate> candidates, const HardEvent& truth,
                                const JetOptions& options, std::uint64_t seed, double min_pt) {
  silence_banner();
  std::vector<fastjet::PseudoJet> inputs;
  const int num_candidates = static_cast<int>(candidates.size());
  for (int i = 0; i < num_candidates; ++i) {
    const Candidate& c = candidates[static_cast<std::size_t>(i)];
    if (c.from_pv > 0) inputs.push_back(pseudo_jet(c.pt, c.eta, c.phi, c.mass, i));
  }
  const FlavorGhosts flavors(truth, num_candidates);
  flavors.add_to(inputs);
  const double cell_area = add_area_ghosts(options, seed, inputs);
  const fastjet::ClusterSequence clusters(
      inputs, fastjet::JetDefinition(fastjet::antikt_algorithm, options.radius));
  std::vector<Jet> jets;
  for (const fastjet::PseudoJet& found :
       fastjet::sorted_by_pt(clusters.inclusive_jets(std::max(min_pt, 1e-3)))) {
    Jet jet = to_jet(found);
    flavors.take(found.constituents(), cell_area, jet);
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
  const FlavorGhosts ghosts(flavors != nullptr ? *flavors : HardEvent{},
                            static_cast<int>(particles.size()));
  ghosts.add_to(inputs);
  const fastjet::ClusterSequence clusters(
      inputs, fastjet::JetDefinition(fastjet::antikt_algorithm, options.radius));
  std::vector<Jet> jets;
  for (const fastjet::PseudoJet& found :
       fastjet::sorted_by_pt(clusters.inclusive_jets(options.gen_min_pt))) {
    Jet jet = to_jet(found);
    ghosts.take(fastjet::sorted_by_pt(found.constituents()), 0, jet);
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
