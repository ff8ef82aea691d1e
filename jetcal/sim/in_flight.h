// SPDX-License-Identifier: Apache-2.0
// Decays and nuclear interactions of particles in flight through the tracker.
#pragma once

#include <vector>

#include "jetcal/base/random.h"
#include "jetcal/sim/options.h"
#include "jetcal/sim/pileup_pool.h"

namespace jetcal::sim {

/// Holds the random numbers of a crossing: the particles of the hard collision draw from a sequence
/// of their own, so that they fluctuate alike with and without pileup.
struct CrossingRandom {
  explicit CrossingRandom(std::uint64_t seed) : hard(mix64(seed, 1)), pileup(mix64(seed, 2)) {}
  Rng& of(std::int32_t vertex) { return vertex == 0 ? hard : pileup; }
  Rng hard, pileup;
};

/// A crossing after the tracker's volume.
struct CrossingInFlight : Crossing {
  std::vector<char> displaced;  ///< of each particle: 1 when it was born away from its vertex
};

/// Copies a crossing into `out`. K0S and Lambda that decay in the tracker's inner part become their
/// pions and photons; later ones stay. Some hadrons hit a nucleus and become several of less
/// momentum.
void fly(const Crossing& crossing, const TrackerOptions& options, CrossingRandom& random,
         CrossingInFlight& out);

}  // namespace jetcal::sim
