// SPDX-License-Identifier: Apache-2.0
// The energy density of an event: medians over a fixed grid, as CMS's fixedGridRho.
#pragma once

#include <span>

#include "jetcal/sim/particle_flow.h"

namespace jetcal::sim {

/// Energy densities in GeV per unit of eta and phi.
struct Densities {
  double all = 0;                     ///< every candidate, |eta| < 5
  double central = 0;                 ///< every candidate, |eta| < 2.5
  double central_neutral = 0;         ///< neutral candidates, |eta| < 2.5
  double central_charged_pileup = 0;  ///< charged candidates of other vertices, |eta| < 2.5
};

/// Returns the median pT per area over cells of about 0.55 x 0.55.
Densities measure_densities(std::span<const Candidate> candidates);

}  // namespace jetcal::sim
