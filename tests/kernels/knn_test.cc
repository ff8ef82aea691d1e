// SPDX-License-Identifier: Apache-2.0
#include "jetcal/kernels/knn.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <limits>
#include <numeric>

#include "tests/kernels/kernel_case.h"

namespace jetcal::kernels {
namespace {

using Rows = std::vector<std::int32_t>;

struct Points {
  Offsets offsets;
  std::int64_t dimensions = 2, row_stride = 2;
  Floats x;
};

Points random_points(const std::vector<std::int64_t>& counts, std::int64_t dimensions,
                     std::int64_t gap = 0) {
  Points points{offsets_of(counts), dimensions, dimensions + gap, {}};
  points.x = random_floats(points.offsets.back() * points.row_stride, 11);
  return points;
}

Rows run(const Points& points, std::int64_t k) {
  Rows neighbors(static_cast<std::size_t>(points.offsets.back() * k), -7);
  knn(points.x, points.dimensions, points.row_stride, points.offsets, k, neighbors);
  return neighbors;
}

// Sorts all others by (distance, row), with the distance that knn.h promises.
Rows brute_force(const Points& points, std::int64_t k) {
  Rows neighbors;
  const auto distance = [&](std::int64_t i, std::int64_t j) {
    float sum = 0;
    for (std::int64_t d = 0; d < points.dimensions; ++d) {
      const float difference =
          points.x[i * points.row_stride + d] - points.x[j * points.row_stride + d];
      sum = std::fma(difference, difference, sum);
    }
    return std::isnan(sum) ? std::numeric_limits<float>::infinity() : sum;
  };
  for (std::size_t jet = 0; jet + 1 < points.offsets.size(); ++jet) {
    for (std::int64_t i = points.offsets[jet]; i < points.offsets[jet + 1]; ++i) {
      std::vector<std::pair<float, std::int32_t>> others;
      for (std::int64_t j = points.offsets[jet]; j < points.offsets[jet + 1]; ++j) {
        if (j != i) others.emplace_back(distance(i, j), static_cast<std::int32_t>(j));
      }
      std::sort(others.begin(), others.end());
      for (std::int64_t slot = 0; slot < k; ++slot) {
        neighbors.push_back(slot < std::ssize(others) ? others[slot].second : -1);
      }
    }
  }
  return neighbors;
}

class KnnTest : public KernelTest {};

TEST_P(KnnTest, MatchesBruteForceAtEveryNumberOfParticles) {
  const ScopedIsa forced(GetParam());
  std::vector<std::int64_t> counts(70);
  std::iota(counts.begin(), counts.end(), 0);
  counts.push_back(300);
  for (const std::int64_t k : {1, 4, 7, 8, 9, 15, 16, 17, 32, 40}) {
    const Points points = random_points(counts, 2);
    EXPECT_EQ(run(points, k), brute_force(points, k)) << "k " << k;
  }
}

TEST_P(KnnTest, MatchesBruteForceInManyDimensions) {
  const ScopedIsa forced(GetParam());
  for (const std::int64_t dimensions : {1, 2, 3, 8, 50, 400}) {
    const Points points = random_points({0, 1, 2, 5, 16, 17, 18, 40, 33}, dimensions, /*gap=*/3);
    EXPECT_EQ(run(points, 16), brute_force(points, 16)) << "dimensions " << dimensions;
  }
}

TEST_P(KnnTest, TiesGoByTheLowerRow) {
  const ScopedIsa forced(GetParam());
  Points points{offsets_of({49, 30}), 2, 2, {}};
  for (int i = 0; i < 49; ++i) {  // a square grid: most distances occur many times
    points.x.insert(points.x.end(), {static_cast<float>(i / 7), static_cast<float>(i % 7)});
  }
  points.x.insert(points.x.end(), 60, 0.25F);  // a jet of equal particles
  const Rows neighbors = run(points, 8);
  EXPECT_EQ(neighbors, brute_force(points, 8));
  EXPECT_EQ(Rows(neighbors.begin() + 49 * 8, neighbors.begin() + 50 * 8),
            (Rows{50, 51, 52, 53, 54, 55, 56, 57}));
}

TEST_P(KnnTest, FewParticlesLeaveSlotsEmpty) {
  const ScopedIsa forced(GetParam());
  const Points points{offsets_of({0, 1, 3}), 1, 1, {5, 0, 10, 1}};
  EXPECT_EQ(run(points, 4), (Rows{-1, -1, -1, -1,  //
                                  3, 2, -1, -1,    //
                                  3, 1, -1, -1,    //
                                  1, 2, -1, -1}));
}

TEST_P(KnnTest, InfiniteDistancesAreStillNeighbours) {
  const ScopedIsa forced(GetParam());
  const float infinity = std::numeric_limits<float>::infinity();
  for (const float huge : {1e30F, 3e38F, infinity}) {
    Points points = random_points({9, 20, 1}, 2);
    for (std::size_t i = 0; i < points.x.size(); i += 3) points.x[i] = huge;
    for (std::size_t i = 1; i < points.x.size(); i += 5) points.x[i] = -huge;
    const Rows neighbors = run(points, 16);
    EXPECT_EQ(neighbors, brute_force(points, 16)) << huge;
    EXPECT_EQ(std::count(neighbors.begin(), neighbors.end(), -1), 9 * 8 + 16);
  }
}

TEST_P(KnnTest, JetHasTheSameNeighboursInAnyBatch) {
  const ScopedIsa forced(GetParam());
  const Points points = random_points({5, 21, 40}, 3);
  const Rows all = run(points, 16);
  Points alone = points;
  alone.offsets = {0, 21};
  alone.x.assign(points.x.begin() + 5 * 3, points.x.begin() + 26 * 3);
  Rows shifted = run(alone, 16);
  for (std::int32_t& row : shifted) row += row < 0 ? 0 : 5;
  EXPECT_EQ(shifted, Rows(all.begin() + 5 * 16, all.begin() + 26 * 16));
}

TEST_P(KnnTest, ThreadsChangeNothing) {
  const ScopedIsa forced(GetParam());
  const Points points = random_points(std::vector<std::int64_t>(100, 12), 2);
  const auto search = [&] { return run(points, 4); };
  EXPECT_EQ(run_with_threads(1, search), run_with_threads(2, search));
}

JETCAL_TEST_VARIANTS(KnnTest);

}  // namespace
}  // namespace jetcal::kernels
