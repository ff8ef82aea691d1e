// SPDX-License-Identifier: Apache-2.0
#include "jetcal/cuda/detail/element.h"
#include "jetcal/cuda/detail/graph.h"
#include "jetcal/cuda/detail/launch.h"
#include "jetcal/cuda/detail/rows.h"

namespace jetcal::cuda::detail {
namespace {

/// One block's jet.
struct Jet {
  std::int64_t first, n;  // particles
  std::int64_t first_edge, degree;
};

JETCAL_DEVICE inline Jet jet_of(const JetRows& jets, const Place& place) {
  const std::int64_t first = jets.offsets[place.block];
  const std::int64_t n = jets.offsets[place.block + 1] - first;
  const std::int64_t others = n > 0 ? n - 1 : 0;
  return {first, n, jets.edge_starts[place.block], jets.k < others ? jets.k : others};
}

struct ListEdgesBody : OneStep {
  static constexpr const char* kName = "list_edges";
  JetRows jets;
  EdgeRows rows;

  JETCAL_DEVICE void step(std::int64_t /*step*/, const Place& place, Shared& /*shared*/) const {
    const Jet jet = jet_of(jets, place);
    for (std::int64_t i = place.thread; i < jet.n; i += kThreads) {
      rows.jets[jet.first + i] = static_cast<std::int32_t>(place.block);
      rows.edge_offsets[jet.first + i] = jet.first_edge + i * jet.degree;
    }
    const std::int64_t num_edges = jet.n * jet.degree;
    for (std::int64_t e = place.thread; e < num_edges; e += kThreads) {
      rows.sources[jet.first_edge + e] = static_cast<std::int32_t>(jet.first + e / jet.degree);
    }
    if (place.block == jets.num_jets - 1 && place.thread == 0) {
      rows.edge_offsets[jets.num_particles] = jets.num_edges;
    }
  }
};

constexpr std::int32_t kNoKey = 0x7FFFFFFF;  // above the key of infinity

/// The bits of the squared distance as an integer, ascending since it is not negative.
struct Distance {
  const float* x;
  std::int64_t dimensions, stride;

  JETCAL_DEVICE std::int32_t key(std::int64_t i, std::int64_t j) const {
    const float* a = x + i * stride;
    const float* b = x + j * stride;
    float sum = 0;
    std::int64_t d = 0;
    if (stride % 4 == 0) {
      for (; d + 4 <= dimensions; d += 4) {
        const Four left = load4(a + d);
        const Four right = load4(b + d);
        for (int c = 0; c < 4; ++c) sum = add(sum, left.at[c], right.at[c]);
      }
    }
    for (; d < dimensions; ++d) sum = add(sum, a[d], b[d]);
    constexpr std::int32_t kInfinity = 0x7F800000;
    std::int32_t bits = 0;
    memcpy(&bits, &sum, sizeof bits);
    // A sum of squares has no sign, so what is not below infinity is infinity or NaN.
    return bits >= 0 && bits < kInfinity ? bits : kInfinity;
  }
  JETCAL_DEVICE static float add(float sum, float left, float right) {
    const float difference = left - right;
    return fmaf(difference, difference, sum);
  }
};

/// One block, one jet. Small jets: the keys of some particles against all others lie in shared
/// memory, and every pair counts how many neighbours come before it. Larger ones: a thread keeps a
/// sorted list for its particle.
struct NeighborsBody {
  static constexpr const char* kName = "find_neighbors";
  static constexpr std::int64_t kKeys = 8192;
  static constexpr std::int64_t kLargestSmallJet = 512;
  struct Shared {
    std::int32_t keys[kKeys];
  };
  JetRows jets;
  Distance distance;
  std::int32_t* targets;
  std::int32_t* work;

  JETCAL_DEVICE static std::int64_t particles_at_once(const Jet& jet) {
    const std::int64_t fit = kKeys / jet.n;
    return fit < jet.n ? fit : jet.n;
  }
  JETCAL_DEVICE std::int64_t steps(const Place& place) const {
    const Jet jet = jet_of(jets, place);
    if (jet.degree == 0) return 0;
    if (jet.n > kLargestSmallJet) return 1;
    const std::int64_t rows = particles_at_once(jet);
    return 2 * ((jet.n + rows - 1) / rows);
  }
  JETCAL_DEVICE void step(std::int64_t step, const Place& place, Shared& shared) const {
    const Jet jet = jet_of(jets, place);
    if (jet.n > kLargestSmallJet) {
      for (std::int64_t i = place.thread; i < jet.n; i += kThreads) insert_all(jet, i);
      return;
    }
    // 32-bit arithmetic: at most 512 particles.
    const int n = static_cast<int>(jet.n);
    const int rows = static_cast<int>(particles_at_once(jet));
    const int first = static_cast<int>(step / 2) * rows;
    const int last = first + rows < n ? first + rows : n;
    const int pairs = (last - first) * n;
    for (int pair = place.thread; pair < pairs; pair += kThreads) {
      const int i = first + pair / n;
      const int j = pair % n;
      if (step % 2 == 0) {
        shared.keys[pair] = i == j ? kNoKey : distance.key(jet.first + i, jet.first + j);
      } else if (i != j) {
        rank(jet, i, j, shared.keys + (i - first) * n);
      }
    }
  }
  JETCAL_DEVICE void rank(const Jet& jet, int i, int j, const std::int32_t* keys) const {
    const int n = static_cast<int>(jet.n);
    const std::int32_t own = keys[j];
    int before = 0;
    for (int other = 0; other < j; ++other) before += keys[other] <= own ? 1 : 0;
    for (int other = j + 1; other < n; ++other) before += keys[other] < own ? 1 : 0;
    if (before < jet.degree) {
      targets[jet.first_edge + i * jet.degree + before] = static_cast<std::int32_t>(jet.first + j);
    }
  }
  // Keeps the lowest keys in order; an equal key stays behind those already there.
  JETCAL_DEVICE void insert_all(const Jet& jet, std::int64_t i) const {
    std::int32_t* const best = targets + jet.first_edge + i * jet.degree;
    std::int32_t* const keys = work + jet.first_edge + i * jet.degree;
    for (std::int64_t slot = 0; slot < jet.degree; ++slot) keys[slot] = kNoKey;
    for (std::int64_t j = 0; j < jet.n; ++j) {
      if (j == i) continue;
      const std::int32_t key = distance.key(jet.first + i, jet.first + j);
      if (key >= keys[jet.degree - 1]) continue;
      std::int64_t slot = jet.degree - 1;
      for (; slot > 0 && key < keys[slot - 1]; --slot) {
        keys[slot] = keys[slot - 1];
        best[slot] = best[slot - 1];
      }
      keys[slot] = key;
      best[slot] = static_cast<std::int32_t>(jet.first + j);
    }
  }
};

/// One block, one jet; one thread, one particle that edges point at.
struct ReverseBody : OneStep {
  static constexpr const char* kName = "reverse_edges";
  JetRows jets;
  const std::int32_t* targets;
  std::int64_t* reverse_offsets;
  std::int32_t* reverse_edges;

  JETCAL_DEVICE void step(std::int64_t /*step*/, const Place& place, Shared& /*shared*/) const {
    const Jet jet = jet_of(jets, place);
    const std::int64_t num_edges = jet.n * jet.degree;
    const std::int32_t* const own = targets + jet.first_edge;
    for (std::int64_t i = place.thread; i < jet.n; i += kThreads) {
      const auto target = static_cast<std::int32_t>(jet.first + i);
      std::int64_t before = 0;
      for (std::int64_t e = 0; e < num_edges; ++e) before += own[e] < target ? 1 : 0;
      std::int64_t slot = jet.first_edge + before;
      reverse_offsets[target] = slot;
      for (std::int64_t e = 0; e < num_edges; ++e) {
        if (own[e] == target) {
          reverse_edges[slot++] = static_cast<std::int32_t>(jet.first_edge + e);
        }
      }
    }
    if (place.block == jets.num_jets - 1 && place.thread == 0) {
      reverse_offsets[jets.num_particles] = jets.num_edges;
    }
  }
};

}  // namespace

void list_edges(Queue& queue, const JetRows& jets, const EdgeRows& rows) {
  launch(queue, {jets.num_jets, 1}, ListEdgesBody{{}, jets, rows});
}

void find_neighbors(Queue& queue, const JetRows& jets, const float* x, std::int64_t dimensions,
                    std::int64_t stride, std::int32_t* targets, std::int32_t* work) {
  launch(queue, {jets.num_jets, 1}, NeighborsBody{jets, {x, dimensions, stride}, targets, work});
}

void reverse_edges(Queue& queue, const JetRows& jets, const std::int32_t* targets,
                   std::int64_t* reverse_offsets, std::int32_t* reverse_edges) {
  launch(queue, {jets.num_jets, 1}, ReverseBody{{}, jets, targets, reverse_offsets, reverse_edges});
}

}  // namespace jetcal::cuda::detail
