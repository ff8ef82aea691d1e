// SPDX-License-Identifier: Apache-2.0
// Lets workers that share a batch normalise by the statistics of the whole batch.
#pragma once

#include <span>

namespace jetcal::kernels {

/// Adds up sums over workers.
class SharedSums {
 public:
  virtual ~SharedSums() = default;
  /// Replaces the values by their sums over all workers, which make the same calls in the same
  /// order. Everybody gets the same bits.
  virtual void add_up(std::span<double> values) = 0;
};

}  // namespace jetcal::kernels
