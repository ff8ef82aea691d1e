// SPDX-License-Identifier: Apache-2.0
// The running average of weights over steps (exponential moving average).
#pragma once

#include <cstdint>
#include <span>
#include <vector>

namespace jetcal::train {

/// Sets the average of weights.
struct AverageOptions {
  double decay = 0;             ///< 0: there is no average.
  std::int64_t start_step = 0;  ///< Up to this step the average follows the weights.
  /// The average, not the weights themselves, decides which epoch is the best and is kept as it.
  bool keep_best = true;

  bool on() const noexcept { return decay > 0; }
};

/// Throws InvalidArgument naming the field of the configuration that is out of range.
void validate(const AverageOptions& options);

/// Moves the average towards the weights after step number `step` (from 1):
/// average += (1 - decay) * (weights - average), as PyTorch's AveragedModel with get_ema_avg_fn.
/// The first step, and those up to start_step, copy. A weight that never changes stays the same
/// bits.
void update_average(const AverageOptions& options, std::int64_t step,
                    std::span<const float> weights, std::vector<float>& average);

}  // namespace jetcal::train
