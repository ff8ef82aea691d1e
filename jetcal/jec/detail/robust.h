// SPDX-License-Identifier: Apache-2.0
// Location of values with tails, with its statistical error: median and trimmed mean.
#pragma once

#include <cstdint>
#include <vector>

namespace jetcal::jec::detail {

/// Holds a number and its standard error.
struct Measured {
  double value, error;
};

/// Returns the quantile by linear interpolation between order statistics (numpy's default) of
/// values that it reorders; NaN when there are none.
double quantile(std::vector<double>& values, double probability);

/// Returns the median and its error 1.2533 sigma / sqrt(n), sigma from the central 68 %; reorders
/// the values. NaN when there are none.
Measured median(std::vector<double>& values);

/// Returns the mean without the `part` smallest and the `part` largest values, 0 <= part < 0.5, and
/// its error from the winsorized variance; sorts the values. NaN when there are none.
Measured trimmed_mean(std::vector<double>& values, double part);

/// Returns the median and, as its error, the standard deviation of the medians of `resamplings`
/// bootstrap samples; sorts the values. NaN when there are none.
///
/// A bootstrap sample's order statistics are the values at the order statistics of n uniform
/// numbers, and the middle ones of those are beta variates: no sample is ever drawn.
Measured bootstrapped_median(std::vector<double>& values, int resamplings, std::uint64_t seed);

}  // namespace jetcal::jec::detail
