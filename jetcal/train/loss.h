// SPDX-License-Identifier: Apache-2.0
// The loss: the weighted mean over all jets of |y - prediction| * 1(|y| < 1). Training, validation,
// test and the baselines use this one definition. Spans of weights are [J], or empty for weights 1.
#pragma once

#include <cstdint>
#include <span>

namespace jetcal::train {

/// Sums the loss over jets, so that batches of any size add up to one mean.
struct LossSum {
  double absolute_error = 0;  ///< Weighted sum of |y - prediction|, over the jets with |y| < 1.
  double weight = 0;          ///< Sum of the weights of all jets: their number without weights.
  std::int64_t num_jets = 0;  ///< All jets: those with |y| >= 1 count in the denominator.
  std::int64_t rejected_jets = 0;  ///< Jets with |y| >= 1, which add nothing to the numerator.

  LossSum& operator+=(const LossSum& other) noexcept;
  /// Returns the loss; NaN without jets.
  double mean() const noexcept;
};

/// Adds up the loss in double. A value that is not finite makes the sum NaN.
/// Requires: the spans have the same length, but for empty weights.
LossSum sum_loss(std::span<const float> target, std::span<const float> prediction,
                 std::span<const float> weight = {});

/// The same for one prediction for every jet; 0 is "no correction".
LossSum sum_loss(std::span<const float> target, double constant,
                 std::span<const float> weight = {});

/// Returns the constant prediction with the lowest loss: the weighted median of the targets with
/// |y| < 1 (the middle of two where one half of the weight ends exactly between them). Throws
/// InvalidArgument when no such target has a positive weight.
double best_constant(std::span<const float> target, std::span<const float> weight = {});

}  // namespace jetcal::train
