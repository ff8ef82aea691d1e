// SPDX-License-Identifier: Apache-2.0
// Jets from candidates and from particles (FastJet, anti-kT), their areas, and their ghost flavor.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "jetcal/sim/generator.h"
#include "jetcal/sim/options.h"
#include "jetcal/sim/particle_flow.h"

namespace jetcal::sim {

/// A jet with the rows of its inputs.
struct Jet {
  double pt, eta, phi, mass;
  double area = 0;
  std::vector<std::int32_t> constituents;  ///< rows of the input list, by falling pT
  std::int32_t hadron_flavor = 0;          ///< 5, 4 or 0
  std::int32_t parton_flavor = 0;          ///< signed PDG number, 0 without a parton
};

/// Clusters the candidates that charged-hadron subtraction keeps (from_pv > 0), with area ghosts
/// and with the flavor hadrons and partons as ghosts of infinitesimal momentum.
///
/// Anti-kT jets do not change when such ghosts join, so this equals the reclustering of CMS's jet
/// flavor definition. The ghosts of an event follow from `seed` alone. Jets fall in pT.
std::vector<Jet> find_reco_jets(std::span<const Candidate> candidates, const HardEvent& truth,
                                const JetOptions& options, std::uint64_t seed, double min_pt);

/// Clusters the visible stable particles; with `flavors`, its hadrons and partons join as ghosts
/// and the jets have flavors.
std::vector<Jet> find_gen_jets(std::span<const Particle> particles, const JetOptions& options,
                               const HardEvent* flavors = nullptr);

/// Returns the jet nearest in eta and phi within `radius`, or nullptr.
const Jet* nearest_jet(const Jet& jet, std::span<const Jet> others, double radius);

/// Combines the flavors of the ghosts in a jet, as CMS does with hadron priority.
///
/// parton_flavor: 5 or 4 when such a parton is inside, else the hardest one ("cmssw9": the hardest
/// one in any case). Where it contradicts the hadron flavor, that one wins: a heavy hadron makes it
/// 5 or 4, a heavy parton without its hadron gives way to the hardest light one, or 0.
void set_flavor(std::span<const Particle> hadrons, std::span<const Particle> partons,
                const JetOptions& options, Jet& jet);

}  // namespace jetcal::sim
