// SPDX-License-Identifier: Apache-2.0
// Correlations and quantiles of columns of numbers.
#pragma once

#include <span>
#include <vector>

namespace jetcal::hpo {

/// Pearson's correlation of two columns of the same length. Not a number where a column is constant
/// or shorter than 2.
double pearson(std::span<const double> x, std::span<const double> y);

/// Spearman's: Pearson's of the ranks, ties at their mean rank.
double spearman(std::span<const double> x, std::span<const double> y);

/// Kendall's tau-b (ties accounted for), in O(n log n) after Knight, J. Am. Stat. Assoc. 61 (1966)
/// 436. Not a number where a column is constant.
double kendall(std::span<const double> x, std::span<const double> y);

/// Ranks from 1, ties at their mean.
std::vector<double> mean_ranks(std::span<const double> values);

/// The quantile at `fraction` in [0, 1], linear between neighbours (as numpy's default). Requires
/// at least one value.
double quantile(std::span<const double> values, double fraction);

/// Arithmetic mean; not a number where there are no values.
double mean(std::span<const double> values);

}  // namespace jetcal::hpo
