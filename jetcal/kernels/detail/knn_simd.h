// SPDX-License-Identifier: Apache-2.0
// The vector variant of knn.h, for any width.
#pragma once

#include "jetcal/kernels/detail/knn_kernels.h"
#include "jetcal/kernels/detail/simd.h"

namespace jetcal::kernels::detail {
namespace {

// Writes kVectors vectors of keys of four rows, from particle j on. Two vectors keep enough sums on
// the way to hide the latency of each.
template <int kVectors>
void distance_block(const KnnJet& jet, const std::int64_t (&row)[kKnnRows], std::int64_t j) {
  Lanes sum[kKnnRows][kVectors];
  for (auto& lanes : sum) {
    for (Lanes& lane : lanes) lane = zero();
  }
  const float* column = jet.columns;
  for (std::int64_t d = 0; d < jet.dimensions; ++d, column += jet.padded) {
    Lanes others[kVectors];
    for (int v = 0; v < kVectors; ++v) others[v] = load(column + j + v * kLanes);
    for (std::int64_t r = 0; r < kKnnRows; ++r) {
      const Lanes own = broadcast(column[row[r]]);
      for (int v = 0; v < kVectors; ++v) {
        const Lanes difference = subtract(own, others[v]);
        sum[r][v] = fma(difference, difference, sum[r][v]);
      }
    }
  }
  for (std::int64_t r = 0; r < kKnnRows; ++r) {
    for (int v = 0; v < kVectors; ++v) {
      store_keys(jet.distances + r * jet.padded + j + v * kLanes, sum[r][v]);
    }
  }
}

// Writes the keys of particles [i, i + kKnnRows) to all others; rows beyond the last repeat it.
inline void distance_rows(const KnnJet& jet, std::int64_t i) {
  std::int64_t row[kKnnRows];
  for (std::int64_t r = 0; r < kKnnRows; ++r) row[r] = i + r < jet.n ? i + r : jet.n - 1;
  std::int64_t j = 0;
  for (; j + 2 * kLanes <= jet.padded; j += 2 * kLanes) distance_block<2>(jet, row, j);
  if (j < jet.padded) distance_block<1>(jet, row, j);
}

// Up to this many particles, counting who is nearer costs less than keeping a list: it has no chain
// of dependent steps.
inline constexpr std::int64_t kMostRanked = 48;

// Finds the rank of every particle: how many have a lower key, or the same and a lower number.
inline void rank_keys(const std::int32_t* keys, std::int64_t n, std::int32_t* ranks) {
  for (std::int64_t first = 0; first < n; first += kLanes) {
    const Integers own = load_integers(keys + first);
    Integers rank = broadcast_integer(static_cast<std::int32_t>(first));
    for (std::int64_t j = 0; j < first; ++j) {
      rank = subtract_greater(broadcast_integer(keys[j]), own, rank);
    }
    for (std::int32_t i = 0; i < kLanes; ++i) {
      const Integers key = broadcast_integer(keys[first + i]);
      // Later lanes come behind an equal key; keys are not negative, so one less is in range.
      const Integers before = subtract_greater(lane_numbers(), broadcast_integer(i), key);
      rank = add_greater(own, before, rank);
    }
    for (std::int64_t j = first + kLanes; j < n; ++j) {
      rank = add_greater(own, broadcast_integer(keys[j]), rank);
    }
    store(ranks + first, rank);
  }
}

// Selects the neighbours of a small jet.
inline void select_by_rank(const KnnJet& jet, const std::int32_t* keys, std::int32_t* rows) {
  std::int32_t ranks[kMostRanked];
  std::int32_t order[kMostRanked];
  rank_keys(keys, jet.n, ranks);
  for (std::int64_t j = 0; j < jet.n; ++j) {
    order[ranks[j]] = jet.first_row + static_cast<std::int32_t>(j);
  }
  for (std::int64_t slot = 0; slot < jet.k; ++slot) {
    rows[slot] = slot < jet.n - 1 ? order[slot] : -1;  // the particle itself comes last
  }
}

inline constexpr std::int64_t kListLength = 16;
inline constexpr int kListVectors = static_cast<int>(kListLength / kLanes);

// Holds the 16 lowest keys in order, and their rows, in registers.
struct NearestList {
  Integers keys[kListVectors];
  Integers rows[kListVectors];
};

// Every slot keeps its key, takes the new one or the one before: min(own, max(before, new)). An
// equal key stays behind those already there.
inline void insert(NearestList& list, std::int32_t key, std::int32_t row) {
  const Integers new_key = broadcast_integer(key);
  const Integers new_row = broadcast_integer(row);
  Integers key_before = broadcast_integer(-1);  // below every key: the front slot takes no other
  Integers row_before = new_row;
  for (int v = 0; v < kListVectors; ++v) {
    const Integers keys = list.keys[v];
    const Integers rows = list.rows[v];
    const Integers rotated_keys = rotate(keys);
    const Integers rotated_rows = rotate(rows);
    const Integers shifted_keys = replace_first(rotated_keys, key_before);
    const Integers shifted_rows = replace_first(rotated_rows, row_before);
    const Integers taken = where_greater(shifted_keys, new_key, shifted_rows, new_row);
    list.keys[v] = minimum(keys, maximum(shifted_keys, new_key));
    list.rows[v] = where_greater(keys, new_key, taken, rows);
    key_before = rotated_keys;
    row_before = rotated_rows;
  }
}

inline std::int32_t key_of(const NearestList& list, std::int64_t slot) {
  if (kListVectors == 1 || slot < kLanes) return lane(list.keys[0], slot % kLanes);
  return lane(list.keys[kListVectors - 1], slot - kLanes);
}

// Selects k <= kListLength neighbours without branches that depend on the data, but for the loop's
// end.
inline void select_few_nearest(const KnnJet& jet, const std::int32_t* keys, std::int32_t* rows) {
  NearestList list;
  for (int v = 0; v < kListVectors; ++v) {
    list.keys[v] = broadcast_integer(kNoKey);
    list.rows[v] = broadcast_integer(-1);
  }
  for (std::int64_t j = 0; j < jet.padded; j += kLanes) {
    unsigned candidates = keys_below(keys + j, key_of(list, jet.k - 1));
    for (; candidates != 0; candidates &= candidates - 1) {
      const std::int64_t other = j + __builtin_ctz(candidates);
      insert(list, keys[other], jet.first_row + static_cast<std::int32_t>(other));
    }
  }
  for (int v = 0; v < kListVectors && v * kLanes < jet.k; ++v) {
    const std::int64_t left = jet.k - v * kLanes;
    store(rows + v * kLanes, first_lanes(left < kLanes ? left : kLanes), list.rows[v]);
  }
}

// Keeps the k lowest keys in order; an equal key stays behind those already there.
inline void insert_neighbor(std::int64_t k, std::int32_t key, std::int32_t row, std::int32_t* keys,
                            std::int32_t* rows) {
  if (key >= keys[k - 1]) return;
  std::int64_t slot = k - 1;
  for (; slot > 0 && key < keys[slot - 1]; --slot) {
    keys[slot] = keys[slot - 1];
    rows[slot] = rows[slot - 1];
  }
  keys[slot] = key;
  rows[slot] = row;
}

inline void select_many_nearest(const KnnJet& jet, const std::int32_t* keys, std::int32_t* rows) {
  for (std::int64_t slot = 0; slot < jet.k; ++slot) {
    jet.best[slot] = kNoKey;
    rows[slot] = -1;
  }
  for (std::int64_t j = 0; j < jet.padded; j += kLanes) {
    unsigned candidates = keys_below(keys + j, jet.best[jet.k - 1]);
    for (; candidates != 0; candidates &= candidates - 1) {
      const std::int64_t other = j + __builtin_ctz(candidates);
      insert_neighbor(jet.k, keys[other], jet.first_row + static_cast<std::int32_t>(other),
                      jet.best, rows);
    }
  }
}

inline void nearest_in_jet(const KnnJet& jet) {
  for (std::int64_t i = 0; i < jet.n; i += kKnnRows) {
    distance_rows(jet, i);
    for (std::int64_t r = 0; r < kKnnRows && i + r < jet.n; ++r) {
      std::int32_t* keys = jet.distances + r * jet.padded;
      keys[i + r] = kNoKey;
      for (std::int64_t j = jet.n; j < jet.padded; ++j) keys[j] = kNoKey;
      std::int32_t* rows = jet.neighbors + (i + r) * jet.k;
      if (jet.n <= kMostRanked) {
        select_by_rank(jet, keys, rows);
      } else if (jet.k <= kListLength) {
        select_few_nearest(jet, keys, rows);
      } else {
        select_many_nearest(jet, keys, rows);
      }
    }
  }
}

}  // namespace
}  // namespace jetcal::kernels::detail
