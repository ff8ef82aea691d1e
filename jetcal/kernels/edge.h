// SPDX-License-Identifier: Apache-2.0
// The ragged list of edges between particles and their neighbours.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

namespace jetcal::kernels {

/// Lists E edges by their first particle i.
struct Edges {
  std::vector<std::int64_t> offsets;  ///< [P + 1]: rows offsets[i]..offsets[i + 1] are i's.
  std::vector<std::int32_t> targets;  ///< [E]: j of every edge.

  std::int64_t num_particles() const noexcept {
    return static_cast<std::int64_t>(offsets.size()) - 1;
  }
  std::int64_t num_edges() const noexcept { return static_cast<std::int64_t>(targets.size()); }
};

/// Turns the neighbors [P, k] of knn() into edges, skipping empty slots (-1). Reuses the vectors of
/// `edges`.
void build_edges(std::span<const std::int32_t> neighbors, std::int64_t k, Edges& edges);

}  // namespace jetcal::kernels
