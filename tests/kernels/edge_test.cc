// SPDX-License-Identifier: Apache-2.0
#include "jetcal/kernels/edge.h"

#include <gtest/gtest.h>

#include "jetcal/kernels/knn.h"
#include "jetcal/kernels/segment.h"
#include "tests/kernels/kernel_case.h"

namespace jetcal::kernels {
namespace {

// Edges of random points; jets of 0, 1 and few particles are among them.
Edges random_edges(std::int64_t k) {
  const Offsets offsets = offsets_of({0, 1, 2, 30, 0, 5, 17});
  const Floats points = random_floats(offsets.back() * 2, 21);
  std::vector<std::int32_t> neighbors(static_cast<std::size_t>(offsets.back() * k));
  knn(points, 2, 2, offsets, k, neighbors);
  Edges edges;
  build_edges(neighbors, k, /*with_reverse=*/true, edges);
  return edges;
}

Floats add_edges(const Edges& edges, const Floats& center, const Floats& neighbor,
                 std::int64_t channels, Activation activation = Activation::None) {
  Floats z(static_cast<std::size_t>(edges.num_edges() * channels), -7.0F);
  edge_add(center, neighbor, edges, channels, z, activation);
  return z;
}

// Gradient of center, then of neighbor.
Floats gradients(const Edges& edges, const Floats& grad_z, std::int64_t channels) {
  const std::int64_t size = edges.num_particles() * channels;
  Floats grads(static_cast<std::size_t>(2 * size), -7.0F);
  edge_add_backward(grad_z, edges, channels, std::span(grads).first(size),
                    std::span(grads).subspan(size));
  return grads;
}

TEST(BuildEdges, SkipsEmptySlotsAndSortsByTarget) {
  const std::vector<std::int32_t> neighbors{2, 1, -1, -1, 1, 0};
  Edges edges;
  build_edges(neighbors, 2, /*with_reverse=*/true, edges);
  EXPECT_EQ(edges.offsets, (Offsets{0, 2, 2, 4}));
  EXPECT_EQ(edges.targets, (std::vector<std::int32_t>{2, 1, 1, 0}));
  EXPECT_EQ(edges.reverse_offsets, (Offsets{0, 1, 3, 4}));
  EXPECT_EQ(edges.reverse_edges, (Offsets{3, 1, 2, 0}));
}

TEST(BuildEdges, ReusesItsResultWithoutTraces) {
  Edges edges = random_edges(16);
  build_edges({}, 4, /*with_reverse=*/true, edges);
  EXPECT_EQ(edges.num_particles(), 0);
  EXPECT_EQ(edges.num_edges(), 0);
  EXPECT_EQ(edges.reverse_offsets, Offsets{0});
  build_edges(std::vector<std::int32_t>{1, 0}, 1, /*with_reverse=*/false, edges);
  EXPECT_EQ(edges.targets, (std::vector<std::int32_t>{1, 0}));
  EXPECT_TRUE(edges.reverse_offsets.empty());
}

TEST(BuildEdges, ReverseListHoldsEveryEdgeOnce) {
  const Edges edges = random_edges(16);
  EXPECT_EQ(edges.reverse_offsets.back(), edges.num_edges());
  std::vector<int> seen(edges.targets.size());
  for (std::int64_t j = 0; j < edges.num_particles(); ++j) {
    for (std::int64_t r = edges.reverse_offsets[j]; r < edges.reverse_offsets[j + 1]; ++r) {
      EXPECT_EQ(edges.targets[edges.reverse_edges[r]], j);
      ++seen[edges.reverse_edges[r]];
    }
  }
  EXPECT_EQ(seen, std::vector<int>(edges.targets.size(), 1));
}

class EdgeTest : public KernelTest {};

TEST_P(EdgeTest, MatchesReferenceAtEveryTail) {
  const Edges edges = random_edges(16);
  for (const std::int64_t channels : {1, 2, 7, 8, 9, 15, 16, 17, 31, 32, 33, 50, 65}) {
    const Floats center = random_floats(edges.num_particles() * channels, 22);
    const Floats neighbor = random_floats(edges.num_particles() * channels, 23);
    for (const Activation activation : {Activation::None, Activation::Relu}) {
      const auto run = [&] { return add_edges(edges, center, neighbor, channels, activation); };
      EXPECT_TRUE(same_bits(run_on(GetParam(), run), run_on(Isa::Ref, run))) << channels;
    }
    const Floats grad_z = random_floats(edges.num_edges() * channels, 24);
    const auto run = [&] { return gradients(edges, grad_z, channels); };
    const Floats want = run_on(Isa::Ref, run);
    // At most 29 edges point at a particle; values below 6.
    expect_near(run_on(GetParam(), run), want,
                std::vector<double>(want.size(), 30 * kRoundoff * 174),
                std::to_string(channels) + " channels");
  }
}

TEST_P(EdgeTest, MeanOverEdgesIsTheSegmentMean) {
  const ScopedIsa forced(GetParam());
  Edges edges;
  build_edges(std::vector<std::int32_t>{1, 2, 0, -1, -1, -1}, 2, /*with_reverse=*/false, edges);
  const Floats z = add_edges(edges, {1, 2, 3}, {10, 20, 30}, 1);
  EXPECT_EQ(z, (Floats{21, 31, 12}));
  Floats y(3);
  segment_mean(z, edges.offsets, 1, y);
  EXPECT_EQ(y, (Floats{26, 12, 0}));
}

TEST_P(EdgeTest, GradientsMatchCentralDifferences) {
  const Edges edges = random_edges(4);
  const std::int64_t channels = 2;
  Floats center = random_floats(edges.num_particles() * channels, 25);
  Floats neighbor = random_floats(edges.num_particles() * channels, 26);
  const Floats grad_z = random_floats(edges.num_edges() * channels, 27);
  const Floats grads = run_on(GetParam(), [&] { return gradients(edges, grad_z, channels); });
  const ScopedIsa forced(Isa::Ref);
  const auto slope = [&](float& value) {
    const auto loss = [&] {
      const Floats z = add_edges(edges, center, neighbor, channels);
      double sum = 0;
      for (std::size_t i = 0; i < z.size(); ++i) sum += static_cast<double>(z[i]) * grad_z[i];
      return sum;
    };
    const float before = value;
    value = before + 1;
    const double above = loss();
    value = before - 1;
    const double below = loss();
    value = before;
    return (above - below) / 2;
  };
  for (std::size_t i = 0; i < center.size(); ++i) {
    EXPECT_NEAR(grads[i], slope(center[i]), 1e-4);
    EXPECT_NEAR(grads[center.size() + i], slope(neighbor[i]), 1e-4);
  }
}

TEST_P(EdgeTest, ThreadsChangeNoBit) {
  const ScopedIsa forced(GetParam());
  const Offsets offsets = offsets_of(std::vector<std::int64_t>(60, 20));
  std::vector<std::int32_t> neighbors(static_cast<std::size_t>(offsets.back() * 16));
  knn(random_floats(offsets.back() * 2, 28), 2, 2, offsets, 16, neighbors);
  Edges edges;
  build_edges(neighbors, 16, /*with_reverse=*/true, edges);
  const Floats grad_z = random_floats(edges.num_edges() * 50, 29);
  const auto run = [&] { return gradients(edges, grad_z, 50); };
  EXPECT_TRUE(same_bits(run_with_threads(1, run), run_with_threads(2, run)));
}

JETCAL_TEST_VARIANTS(EdgeTest);

}  // namespace
}  // namespace jetcal::kernels
