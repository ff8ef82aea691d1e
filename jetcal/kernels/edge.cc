// SPDX-License-Identifier: Apache-2.0
#include "jetcal/kernels/edge.h"

#include "jetcal/base/error.h"

namespace jetcal::kernels {

void build_edges(std::span<const std::int32_t> neighbors, std::int64_t k, Edges& edges) {
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
}

}  // namespace jetcal::kernels
