// SPDX-License-Identifier: Apache-2.0
#include <cmath>
#include <cstring>
#include <limits>

#include "jetcal/kernels/detail/knn_kernels.h"

namespace jetcal::kernels::detail {
namespace {

std::int32_t distance_key(const KnnJet& jet, std::int64_t i, std::int64_t j) {
  float sum = 0;
  for (std::int64_t d = 0; d < jet.dimensions; ++d) {
    const float difference = jet.columns[d * jet.padded + i] - jet.columns[d * jet.padded + j];
    sum = std::fma(difference, difference, sum);
  }
  constexpr float kInfinity = std::numeric_limits<float>::infinity();
  if (!(sum < kInfinity)) sum = kInfinity;  // NaN too
  std::int32_t key = 0;
  std::memcpy(&key, &sum, sizeof key);
  return key;
}

// Keeps the k lowest keys in order; an equal key stays behind those already there.
void insert(std::int64_t k, std::int32_t key, std::int32_t row, std::int32_t* keys,
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

void jet(const KnnJet& jet) {
  for (std::int64_t i = 0; i < jet.n; ++i) {
    std::int32_t* rows = jet.neighbors + i * jet.k;
    for (std::int64_t slot = 0; slot < jet.k; ++slot) {
      jet.best[slot] = kNoKey;
      rows[slot] = -1;
    }
    for (std::int64_t j = 0; j < jet.n; ++j) {
      if (j == i) continue;
      insert(jet.k, distance_key(jet, i, j), jet.first_row + static_cast<std::int32_t>(j), jet.best,
             rows);
    }
  }
}

}  // namespace

const KnnKernels kKnnRef{1, jet};

}  // namespace jetcal::kernels::detail
