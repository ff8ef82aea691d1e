// SPDX-License-Identifier: Apache-2.0
// A regression tree as a partition of the unit cube, whose variance can be taken apart exactly.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "jetcal/hpo/detail/unit_axes.h"

namespace jetcal::hpo::detail {

/// What a leaf covers of one axis: an interval of an ordered one, a set of levels of another.
struct Side {
  double low = 0, high = 1;
  std::vector<bool> levels;  ///< Empty for an ordered axis.
};

struct Leaf {
  std::vector<Side> sides;  ///< One an axis.
  double value = 0;
};

/// Grows a tree on some trials (rows may repeat): each split lowers the squared error most. A split
/// of an ordered axis lies between two places, one of levels puts those of low mean on one side.
std::vector<Leaf> grow_tree(const UnitTrials& trials, std::vector<std::size_t> rows,
                            std::int64_t max_depth, std::int64_t min_split);

/// Tells whether the leaf covers trial `row`.
bool covers(const Leaf& leaf, const UnitTrials& trials, std::size_t row);

/// Parts of the variance of a tree over the unit cube.
struct Variance {
  double total = 0;
  std::vector<double> single;              ///< By axis.
  std::vector<std::vector<double>> pairs;  ///< [a][b] for a < b: beyond each alone.
};
Variance take_apart(const std::vector<Leaf>& leaves, const std::vector<UnitAxis>& axes);

}  // namespace jetcal::hpo::detail
