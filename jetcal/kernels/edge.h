// SPDX-License-Identifier: Apache-2.0
// Works on the ragged list of edges between particles and their neighbours.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "jetcal/kernels/linear.h"

namespace jetcal::kernels {

/// Lists E edges by their first particle i, and again by the particle j they point at.
struct Edges {
  std::vector<std::int64_t> offsets;          ///< [P + 1]: rows offsets[i]..offsets[i + 1] are i's.
  std::vector<std::int32_t> targets;          ///< [E]: j of every edge.
  std::vector<std::int64_t> reverse_offsets;  ///< [P + 1], into reverse_edges.
  std::vector<std::int64_t> reverse_edges;    ///< [E]: edges that point at j, ascending.

  std::int64_t num_particles() const noexcept {
    return static_cast<std::int64_t>(offsets.size()) - 1;
  }
  std::int64_t num_edges() const noexcept { return static_cast<std::int64_t>(targets.size()); }
};

/// Turns the neighbors [P, k] of knn() into edges, skipping empty slots (-1). Without
/// `with_reverse`, which only backward needs, the reverse list stays empty. Reuses the vectors of
/// `edges`.
void build_edges(std::span<const std::int32_t> neighbors, std::int64_t k, bool with_reverse,
                 Edges& edges);

/// Computes z_e = activation(center_i + neighbor_j) for every edge e from i to j.
///
/// Shapes: center [P, C], neighbor [Q, C] with Q above every target (the edges of some particles
/// may point at others that have none), z [E, C], row-major. Uses parallel_for; thread-safe. The
/// mean over the edges of each particle is segment_mean(z, edges.offsets, C, y).
void edge_add(std::span<const float> center, std::span<const float> neighbor, const Edges& edges,
              std::int64_t channels, std::span<float> z, Activation activation = Activation::None);

/// Computes both gradients of edge_add without activation, overwriting: grad_center_i sums grad_z
/// over the edges of i, grad_neighbor_j over those that point at j, each in ascending order of
/// edges: the same bits with any number of threads. Needs the reverse list.
void edge_add_backward(std::span<const float> grad_z, const Edges& edges, std::int64_t channels,
                       std::span<float> grad_center, std::span<float> grad_neighbor);

}  // namespace jetcal::kernels
