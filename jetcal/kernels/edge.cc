// SPDX-License-Identifier: Apache-2.0
#include "jetcal/kernels/edge.h"

#include "jetcal/base/error.h"
#include "jetcal/base/threads.h"
#include "jetcal/kernels/detail/dispatch.h"
#include "jetcal/kernels/detail/edge_kernels.h"
#include "jetcal/kernels/segment.h"

namespace jetcal::kernels {
namespace {

const detail::EdgeKernels& variant() {
  return detail::pick(kernel_isa(), detail::kEdgeRef, detail::kEdgeAvx2, detail::kEdgeAvx512);
}

std::int64_t particle_grain(const Edges& edges, std::int64_t channels) {
  const std::int64_t mean_edges = 1 + edges.num_edges() / edges.num_particles();
  return detail::row_grain(mean_edges * channels);
}

// Counting sort of the edges by target; a stable one, so that each list ascends.
void sort_by_target(Edges& edges) {
  const std::int64_t num_particles = edges.num_particles();
  edges.reverse_offsets.assign(static_cast<std::size_t>(num_particles) + 1, 0);
  edges.reverse_edges.resize(edges.targets.size());
  for (const std::int32_t target : edges.targets) ++edges.reverse_offsets[target + 1];
  for (std::int64_t j = 0; j < num_particles; ++j) {
    edges.reverse_offsets[j + 1] += edges.reverse_offsets[j];
  }
  // Filling moves each start to the next particle's start; shifting back by one restores them.
  for (std::int64_t e = 0; e < edges.num_edges(); ++e) {
    edges.reverse_edges[edges.reverse_offsets[edges.targets[e]]++] = e;
  }
  for (std::int64_t j = num_particles; j > 0; --j) {
    edges.reverse_offsets[j] = edges.reverse_offsets[j - 1];
  }
  edges.reverse_offsets[0] = 0;
}

}  // namespace

void build_edges(std::span<const std::int32_t> neighbors, std::int64_t k, bool with_reverse,
                 Edges& edges) {
  JETCAL_DCHECK(k >= 1 && neighbors.size() % static_cast<std::size_t>(k) == 0);
  const std::int64_t num_particles = static_cast<std::int64_t>(neighbors.size()) / k;
  edges.offsets.assign(1, 0);
  edges.targets.clear();
  for (std::int64_t i = 0; i < num_particles; ++i) {
    for (const std::int32_t j : neighbors.subspan(i * k, k)) {
      if (j >= 0) edges.targets.push_back(j);
    }
    edges.offsets.push_back(edges.num_edges());
  }
  edges.reverse_offsets.clear();
  edges.reverse_edges.clear();
  if (with_reverse) sort_by_target(edges);
}

void edge_add(std::span<const float> center, std::span<const float> neighbor, const Edges& edges,
              std::int64_t channels, std::span<float> z, Activation activation) {
  JETCAL_DCHECK(static_cast<std::int64_t>(center.size()) == edges.num_particles() * channels);
  JETCAL_DCHECK(static_cast<std::int64_t>(neighbor.size()) % channels == 0);
  JETCAL_DCHECK(static_cast<std::int64_t>(z.size()) == edges.num_edges() * channels);
  if (edges.num_particles() <= 0 || channels == 0) return;
  const auto& kernels = variant();
  parallel_for(edges.num_particles(), particle_grain(edges, channels),
               [&](std::int64_t begin, std::int64_t end) {
                 kernels.add(center.data(), neighbor.data(), edges.offsets.data(),
                             edges.targets.data(), begin, end, channels,
                             activation == Activation::Relu, z.data());
               });
}

void edge_add_backward(std::span<const float> grad_z, const Edges& edges, std::int64_t channels,
                       std::span<float> grad_center, std::span<float> grad_neighbor) {
  JETCAL_DCHECK(edges.reverse_offsets.size() == edges.offsets.size());
  JETCAL_DCHECK(static_cast<std::int64_t>(grad_neighbor.size()) ==
                edges.num_particles() * channels);
  segment_sum(grad_z, edges.offsets, channels, grad_center);
  if (edges.num_particles() <= 0 || channels == 0) return;
  const auto& kernels = variant();
  parallel_for(edges.num_particles(), particle_grain(edges, channels),
               [&](std::int64_t begin, std::int64_t end) {
                 kernels.gather_sum(grad_z.data(), edges.reverse_offsets.data(),
                                    edges.reverse_edges.data(), begin, end, channels,
                                    grad_neighbor.data());
               });
}

}  // namespace jetcal::kernels
