// SPDX-License-Identifier: Apache-2.0
// Median and quartiles of plain and of resampled values, with one definition of a quantile.
#pragma once

#include <cstdint>
#include <span>

namespace jetcal::analysis {

/// Holds the quartiles of `jets` values; NaN where there are none.
struct Quartiles {
  std::int64_t jets = 0;
  double q25, q50, q75;

  Quartiles() noexcept;
  Quartiles(std::int64_t count, double lower, double median, double upper) noexcept
      : jets(count), q25(lower), q50(median), q75(upper) {}
  /// Returns the relative resolution s = (q75 - q25) / q50.
  double resolution() const noexcept { return (q75 - q25) / q50; }
};

/// Returns the quantile of ascending values by linear interpolation between order statistics: with
/// h = (n - 1) probability it is x[floor h] + (h - floor h) (x[floor h + 1] - x[floor h]), numpy's
/// default (Hyndman and Fan's type 7). NaN when there are no values.
double quantile(std::span<const double> ascending, double probability) noexcept;

/// Returns median and quartiles of ascending values.
Quartiles quartiles(std::span<const double> ascending) noexcept;

/// Returns the quartiles of the values in the rows of `order`, which lists them by ascending value.
Quartiles quartiles(std::span<const double> values, std::span<const std::uint32_t> order) noexcept;

/// Returns the quartiles of a sample in which row r occurs counts[r] times, without writing it out.
///
/// `order` lists rows by ascending values[row]; rows that are not in it do not count.
Quartiles resampled_quartiles(std::span<const double> values, std::span<const std::uint32_t> order,
                              std::span<const std::uint16_t> counts) noexcept;

}  // namespace jetcal::analysis
