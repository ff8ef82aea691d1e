// SPDX-License-Identifier: Apache-2.0
// The tracker: which charged particles leave a track, how well it is measured, which vertex it
// gets.
#pragma once

#include <cstdint>
#include <vector>

#include "jetcal/sim/in_flight.h"
#include "jetcal/sim/options.h"

namespace jetcal::sim {

/// A reconstructed track.
struct Track {
  std::int64_t particle;  ///< row in the crossing
  double pt, eta, phi;
  std::int32_t pdg;      ///< as identified: +-211, +-11 or +-13
  double z;              ///< at the beam line, cm
  int vertex;            ///< index of the nearest reconstructed vertex; 0 is the hard one
  std::uint8_t from_pv;  ///< CMS: 3 in the fit of vertex 0, 2 nearest to it, 1 nearest to another,
                         ///< 0 in the fit of another (what CHS removes)
};

struct TrackerHits {
  std::vector<Track> tracks;
  std::vector<std::int32_t> track_of;  ///< of each particle of the crossing, -1 without a track
  int num_vertices = 0;                ///< reconstructed, the hard one included
};

/// Reconstructs the tracks and vertices of a crossing.
void reconstruct_tracks(const CrossingInFlight& crossing, const TrackerOptions& options,
                        CrossingRandom& random, TrackerHits& hits);

}  // namespace jetcal::sim
