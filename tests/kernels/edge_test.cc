// SPDX-License-Identifier: Apache-2.0
#include "jetcal/kernels/edge.h"

#include <gtest/gtest.h>

#include "jetcal/kernels/knn.h"
#include "tests/kernels/kernel_case.h"

namespace jetcal::kernels {
namespace {

TEST(BuildEdges, SkipsEmptySlots) {
  const std::vector<std::int32_t> neighbors{2, 1, -1, -1, 1, 0};
  Edges edges;
  build_edges(neighbors, 2, edges);
  EXPECT_EQ(edges.offsets, (Offsets{0, 2, 2, 4}));
  EXPECT_EQ(edges.targets, (std::vector<std::int32_t>{2, 1, 1, 0}));
}

TEST(BuildEdges, ReusesItsResultWithoutTraces) {
  const Offsets offsets = offsets_of({0, 1, 2, 30, 0, 5, 17});
  std::vector<std::int32_t> neighbors(static_cast<std::size_t>(offsets.back() * 16));
  knn(random_floats(offsets.back() * 2, 21), 2, 2, offsets, 16, neighbors);
  Edges edges;
  build_edges(neighbors, 16, edges);
  build_edges({}, 4, edges);
  EXPECT_EQ(edges.num_particles(), 0);
  EXPECT_EQ(edges.num_edges(), 0);
  build_edges(std::vector<std::int32_t>{1, 0}, 1, edges);
  EXPECT_EQ(edges.targets, (std::vector<std::int32_t>{1, 0}));
}

}  // namespace
}  // namespace jetcal::kernels
