// SPDX-License-Identifier: Apache-2.0
#include "jetcal/sim/particle.h"

#include <cstdlib>

namespace jetcal::sim {

Species species_of(std::int32_t pdg) noexcept {
  switch (std::abs(pdg)) {
    case 22:
      return Species::Photon;
    case 11:
      return Species::Electron;
    case 13:
      return Species::Muon;
    case 12:
    case 14:
    case 16:
      return Species::Neutrino;
    default:
      return charge_of(pdg) != 0 ? Species::ChargedHadron : Species::NeutralHadron;
  }
}

int charge_of(std::int32_t pdg) noexcept {
  const int sign = pdg < 0 ? -1 : 1;
  switch (std::abs(pdg)) {
    case 211:   // pi+
    case 321:   // K+
    case 2212:  // p
    case 3222:  // Sigma+
      return sign;
    case 11:
    case 13:
    case 3112:  // Sigma-
    case 3312:  // Xi-
    case 3334:  // Omega-
      return -sign;
    default:
      return 0;
  }
}

double mass_of(std::int32_t pdg) noexcept {
  switch (std::abs(pdg)) {
    case 11:
      return 0.000511;
    case 13:
      return 0.10566;
    case 211:
      return 0.13957;
    case 321:
      return 0.49368;
    case 130:
    case 310:
      return 0.49761;
    case 2212:
      return 0.93827;
    case 2112:
      return 0.93957;
    case 3122:
      return 1.11568;
    case 3222:
      return 1.18937;
    case 3112:
      return 1.19745;
    case 3322:
      return 1.31486;
    case 3312:
      return 1.32171;
    case 3334:
      return 1.67245;
    default:
      return 0;
  }
}

}  // namespace jetcal::sim
