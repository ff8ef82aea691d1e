// SPDX-License-Identifier: Apache-2.0
// The vector variant of knn.h, for any width.
#pragma once

#include "jetcal/kernels/detail/knn_kernels.h"
#include "jetcal/kernels/detail/simd.h"

namespace jetcal::kernels::detail {
namespace {

// Writes the keys of particles [i, i + kKnnRows) to all others; rows beyond the last repeat it.
inline void distance_rows(const KnnJet& jet, std::int64_t i) {
  std::int64_t row[kKnnRows];
  for (std::int64_t r = 0; r < kKnnRows; ++r) row[r] = i + r < jet.n ? i + r : jet.n - 1;
  for (std::int64_t j = 0; j < jet.padded; j += kLanes) {
    Lanes sum[kKnnRows];
    for (Lanes& lanes : sum) lanes = zero();
    const float* column = jet.columns;
    for (std::int64_t d = 0; d < jet.dimensions; ++d, column += jet.padded) {
      const Lanes others = load(column + j);
      for (std::int64_t r = 0; r < kKnnRows; ++r) {
        const Lanes difference = subtract(broadcast(column[row[r]]), others);
        sum[r] = fma(difference, difference, sum[r]);
      }
    }
    for (std::int64_t r = 0; r < kKnnRows; ++r) {
      store_keys(jet.distances + r * jet.padded + j, sum[r]);
    }
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
      if (jet.k <= kListLength) {
        select_few_nearest(jet, keys, rows);
      } else {
        select_many_nearest(jet, keys, rows);
      }
    }
  }
}

}  // namespace
}  // namespace jetcal::kernels::detail
