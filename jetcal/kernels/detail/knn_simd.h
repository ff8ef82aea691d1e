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

inline void select_nearest(const KnnJet& jet, const std::int32_t* keys, std::int32_t* rows) {
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
      select_nearest(jet, keys, jet.neighbors + (i + r) * jet.k);
    }
  }
}

}  // namespace
}  // namespace jetcal::kernels::detail
