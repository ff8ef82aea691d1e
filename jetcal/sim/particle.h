// SPDX-License-Identifier: Apache-2.0
// Particles that live long enough to reach the detector, and what the detector needs to know of
// each.
#pragma once

#include <cmath>
#include <cstdint>

namespace jetcal::sim {

/// Groups the particles that PYTHIA leaves undecayed by what the detector makes of them.
enum class Species : std::uint8_t {
  Photon,
  Electron,
  Muon,
  ChargedHadron,
  NeutralHadron,
  Neutrino
};

/// Holds one undecayed particle; also the layout of the pileup pool on disk (16 bytes).
struct Particle {
  float pt, eta, phi;
  std::int32_t pdg;
};
static_assert(sizeof(Particle) == 16);

/// Returns the species of a PDG number; whatever is neither lepton nor photon is a hadron.
Species species_of(std::int32_t pdg) noexcept;
/// Returns -1, 0 or 1 for the species that PYTHIA leaves undecayed here.
int charge_of(std::int32_t pdg) noexcept;
/// Returns the mass in GeV.
double mass_of(std::int32_t pdg) noexcept;

inline double momentum_of(const Particle& p) noexcept {
  return static_cast<double>(p.pt) * std::cosh(static_cast<double>(p.eta));
}
inline double energy_of(const Particle& p) noexcept {
  return std::hypot(momentum_of(p), mass_of(p.pdg));
}

/// Maps an angle to [-pi, pi).
inline double wrap_phi(double phi) noexcept {
  return phi - 2 * M_PI * std::floor((phi + M_PI) / (2 * M_PI));
}

}  // namespace jetcal::sim
