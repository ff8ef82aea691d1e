// SPDX-License-Identifier: Apache-2.0
// Active areas of anti-kT jets without clustering the ghosts.
#pragma once

#include <cstdint>
#include <vector>

#include "jetcal/sim/options.h"

namespace fastjet {
class ClusterSequence;
}

namespace jetcal::sim {

/// Massless particles of no momentum, one in each cell of a grid in rapidity and azimuth.
///
/// Every row of the grid has its own random numbers: a wider grid leaves the inner rows as they
/// are.
struct GhostGrid {
  GhostGrid(const JetOptions& options, std::uint64_t seed);

  double height, width;  ///< of a cell
  int num_rows;          ///< rows of rapidity, half of them negative
  int num_columns;
  std::vector<double> rapidity, phi;  ///< [num_rows * num_columns]; phi from 0 to 2 pi

  double cell_area() const { return height * width; }
};

/// Counts the ghosts that each inclusive jet would have taken in, had they been clustered.
///
/// Anti-kT never merges two ghosts before all else is done, and a ghost does not move what takes it
/// in. So it goes to the pseudojet within the radius whose distance the clustering passes first,
/// and that is read off the history. Returns [history]: for the entry of a jet's last step, its
/// ghosts.
std::vector<int> count_ghosts(const fastjet::ClusterSequence& clusters, const GhostGrid& ghosts,
                              double radius);

}  // namespace jetcal::sim
