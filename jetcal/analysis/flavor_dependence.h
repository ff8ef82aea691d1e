// SPDX-License-Identifier: Apache-2.0
// How much the median response depends on flavor, and what a model gains over the baseline.
#pragma once

#include <array>

namespace jetcal::analysis {

/// Returns the sum over the six flavors of |median - mean of the six medians|. NaN when one is.
double sum_of_absolute_errors(const std::array<double, 6>& medians) noexcept;

/// Returns 1 - model / baseline: alpha for the sum of absolute errors, beta for the relative
/// resolution. 0 is no gain, 1 a perfect model, negative a loss.
inline double gain(double model, double baseline) noexcept { return 1 - model / baseline; }

}  // namespace jetcal::analysis
