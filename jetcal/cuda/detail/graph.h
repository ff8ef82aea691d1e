// SPDX-License-Identifier: Apache-2.0
// Neighbours on the device: which edges a batch has, and where they point.
//
// A particle of a jet of n has min(k, n - 1) edges whatever its features are, so the number of
// edges and where each particle's begin follow from the offsets; the host knows them without asking
// the device.
#pragma once

#include <cstdint>

#include "jetcal/cuda/detail/queue.h"

namespace jetcal::cuda::detail {

/// Describes the jets of a batch; arrays of the device.
struct JetRows {
  std::int64_t num_jets = 0, num_particles = 0, num_edges = 0, k = 0;
  const std::int64_t* offsets = nullptr;      ///< [J + 1]
  const std::int64_t* edge_starts = nullptr;  ///< [J + 1]: the first edge of each jet.
};

/// The lists that list_edges writes, the same for every block of a network.
struct EdgeRows {
  std::int32_t* jets = nullptr;          ///< [P]: the jet of every particle.
  std::int64_t* edge_offsets = nullptr;  ///< [P + 1]: the first edge of every particle.
  std::int32_t* sources = nullptr;       ///< [E]: the particle of every edge.
};
void list_edges(Queue& queue, const JetRows& jets, const EdgeRows& rows);

/// Writes the targets [E] of all edges, each particle's nearest first, by the same distances and
/// ties as kernels::knn: the same neighbours, bit for bit. x is [P, stride] and the first
/// `dimensions` columns count. work: [E].
void find_neighbors(Queue& queue, const JetRows& jets, const float* x, std::int64_t dimensions,
                    std::int64_t stride, std::int32_t* targets, std::int32_t* work);

/// Lists the edges that point at each particle, ascending: reverse_offsets [P + 1], reverse_edges
/// [E].
void reverse_edges(Queue& queue, const JetRows& jets, const std::int32_t* targets,
                   std::int64_t* reverse_offsets, std::int32_t* reverse_edges);

}  // namespace jetcal::cuda::detail
