// SPDX-License-Identifier: Apache-2.0
// Sums over edges and their gradients, plainly: what the fused kernels and those of the GPU are
// held to.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "jetcal/kernels/edge.h"

namespace jetcal::kernels {

/// Lists the edges again by the particle j they point at.
struct ReverseEdges {
  std::vector<std::int64_t> offsets;  ///< [P + 1], into edges.
  std::vector<std::int64_t> edges;    ///< [E]: edges that point at j, ascending.
};

inline ReverseEdges reverse_of(const Edges& edges) {
  ReverseEdges reverse{{0}, {}};
  for (std::int32_t j = 0; j < edges.num_particles(); ++j) {
    for (std::int64_t e = 0; e < edges.num_edges(); ++e) {
      if (edges.targets[e] == j) reverse.edges.push_back(e);
    }
    reverse.offsets.push_back(static_cast<std::int64_t>(reverse.edges.size()));
  }
  return reverse;
}

/// Computes z_e = center_i + neighbor_j for every edge e from i to j. Shapes: center, neighbor
/// [P, C], z [E, C].
inline void edge_add(std::span<const float> center, std::span<const float> neighbor,
                     const Edges& edges, std::int64_t channels, std::span<float> z) {
  for (std::int64_t i = 0; i < edges.num_particles(); ++i) {
    for (std::int64_t e = edges.offsets[i]; e < edges.offsets[i + 1]; ++e) {
      for (std::int64_t c = 0; c < channels; ++c) {
        z[e * channels + c] = center[i * channels + c] + neighbor[edges.targets[e] * channels + c];
      }
    }
  }
}

/// Computes both gradients of edge_add, in double.
inline void edge_add_backward(std::span<const float> grad_z, const Edges& edges,
                              std::int64_t channels, std::span<float> grad_center,
                              std::span<float> grad_neighbor) {
  std::vector<double> center(grad_center.size());
  std::vector<double> neighbor(grad_neighbor.size());
  for (std::int64_t i = 0; i < edges.num_particles(); ++i) {
    for (std::int64_t e = edges.offsets[i]; e < edges.offsets[i + 1]; ++e) {
      for (std::int64_t c = 0; c < channels; ++c) {
        center[i * channels + c] += grad_z[e * channels + c];
        neighbor[edges.targets[e] * channels + c] += grad_z[e * channels + c];
      }
    }
  }
  for (std::size_t n = 0; n < center.size(); ++n) {
    grad_center[n] = static_cast<float>(center[n]);
    grad_neighbor[n] = static_cast<float>(neighbor[n]);
  }
}

}  // namespace jetcal::kernels
