// SPDX-License-Identifier: Apache-2.0
#include "jetcal/hpo/detail/partition_tree.h"

#include <algorithm>
#include <cmath>
#include <numeric>

namespace jetcal::hpo::detail {

namespace {

// The best cut found so far: trials whose key is below `threshold` go left.
struct Split {
  double gain = 0;
  std::size_t axis = 0;
  double threshold = 0;
  std::vector<bool> left_levels;  // of an axis without order
};

double mean_of(const UnitTrials& trials, const std::vector<std::size_t>& rows) {
  double sum = 0;
  for (const std::size_t row : rows) sum += trials.results[row];
  return sum / static_cast<double>(rows.size());
}

// Mean result of each level; unseen levels count as the mean of all.
std::vector<double> level_means(const UnitTrials& trials, const UnitAxis& axis,
                                const std::vector<std::size_t>& rows, double mean) {
  std::vector<double> sums(axis.levels, 0.0), counts(axis.levels, 0.0);
  for (const std::size_t row : rows) {
    const auto level = static_cast<std::size_t>(axis.place[row]);
    sums[level] += trials.results[row];
    counts[level] += 1;
  }
  for (std::size_t i = 0; i < axis.levels; ++i)
    sums[i] = counts[i] > 0 ? sums[i] / counts[i] : mean;
  return sums;
}

// Sorts levels by their mean (Breiman et al. 1984, section 4.2.2: the best subset is among the
// prefixes of this order) or takes places as they are, and tries every cut.
void try_axis(const UnitTrials& trials, std::size_t number, std::vector<std::size_t>& rows,
              double mean, Split& best) {
  const UnitAxis& axis = trials.axes[number];
  std::vector<double> means;
  if (!axis.ordered) means = level_means(trials, axis, rows, mean);
  const auto key = [&](std::size_t row) {
    return axis.ordered ? axis.place[row] : means[static_cast<std::size_t>(axis.place[row])];
  };
  std::sort(rows.begin(), rows.end(), [&](std::size_t a, std::size_t b) {
    return key(a) != key(b) ? key(a) < key(b) : a < b;
  });
  const auto count = static_cast<double>(rows.size());
  double sum = 0;  // of the left side, about the mean of all
  for (std::size_t i = 0; i + 1 < rows.size(); ++i) {
    sum += trials.results[rows[i]] - mean;
    const double here = key(rows[i]), next = key(rows[i + 1]);
    if (here == next) continue;
    const auto left = static_cast<double>(i + 1);
    const double gain = sum * sum * (1 / left + 1 / (count - left));
    if (gain <= best.gain) continue;
    best = {gain, number, here + (next - here) / 2, {}};
    if (best.threshold <= here) best.threshold = next;
    for (const double level : means) best.left_levels.push_back(level < best.threshold);
  }
}

bool goes_left(const Split& split, const UnitAxis& axis, std::size_t row) {
  return axis.ordered ? axis.place[row] < split.threshold
                      : split.left_levels[static_cast<std::size_t>(axis.place[row])];
}

// Cells of an axis, with their masses: between all ends of the leaves' sides, or its levels.
struct Cells {
  std::vector<double> edges;  // of an ordered axis
  std::vector<double> masses;
};

Cells cells_of(const std::vector<Leaf>& leaves, const UnitAxis& axis, std::size_t number) {
  Cells cells;
  if (!axis.ordered) {
    cells.masses.assign(axis.levels, 1.0 / static_cast<double>(axis.levels));
    return cells;
  }
  for (const Leaf& leaf : leaves) {
    cells.edges.push_back(leaf.sides[number].low);
    cells.edges.push_back(leaf.sides[number].high);
  }
  std::sort(cells.edges.begin(), cells.edges.end());
  cells.edges.erase(std::unique(cells.edges.begin(), cells.edges.end()), cells.edges.end());
  for (std::size_t i = 0; i + 1 < cells.edges.size(); ++i)
    cells.masses.push_back(cells.edges[i + 1] - cells.edges[i]);
  return cells;
}

struct Run {
  std::size_t begin = 0, end = 0;
};

std::vector<Run> runs_of(const Side& side, const Cells& cells) {
  if (side.levels.empty()) {
    const auto at = [&](double edge) {
      return static_cast<std::size_t>(
          std::lower_bound(cells.edges.begin(), cells.edges.end(), edge) - cells.edges.begin());
    };
    return {{at(side.low), at(side.high)}};
  }
  std::vector<Run> runs;
  for (std::size_t i = 0; i < side.levels.size(); ++i) {
    if (!side.levels[i]) continue;
    if (!runs.empty() && runs.back().end == i) {
      ++runs.back().end;
    } else {
      runs.push_back({i, i + 1});
    }
  }
  return runs;
}

double mass_of(const Side& side) {
  if (side.levels.empty()) return side.high - side.low;
  return static_cast<double>(std::count(side.levels.begin(), side.levels.end(), true)) /
         static_cast<double>(side.levels.size());
}

struct Masses {
  std::vector<Cells> cells;                         // by axis
  std::vector<std::vector<std::vector<Run>>> runs;  // by leaf and axis
  std::vector<std::vector<double>> sides;           // by leaf and axis
  std::vector<double> whole;                        // by leaf
};

// Variance of the tree's mean over all axes but `axis`, as a function of that one.
double single_variance(const std::vector<Leaf>& leaves, const Masses& masses, std::size_t axis,
                       double mean) {
  const std::vector<double>& cells = masses.cells[axis].masses;
  std::vector<double> steps(cells.size() + 1, 0.0);
  for (std::size_t i = 0; i < leaves.size(); ++i) {
    const double part = leaves[i].value * masses.whole[i] / masses.sides[i][axis];
    for (const Run& run : masses.runs[i][axis]) {
      steps[run.begin] += part;
      steps[run.end] -= part;
    }
  }
  double variance = 0, height = 0;
  for (std::size_t c = 0; c < cells.size(); ++c) {
    height += steps[c];
    variance += cells[c] * (height - mean) * (height - mean);
  }
  return variance;
}

// The same of two axes; a leaf adds to rectangles of cells by steps at their corners.
double pair_variance(const std::vector<Leaf>& leaves, const Masses& masses, std::size_t a,
                     std::size_t b, double mean) {
  const std::vector<double>&rows = masses.cells[a].masses, &columns = masses.cells[b].masses;
  const std::size_t stride = columns.size() + 1;
  std::vector<double> steps((rows.size() + 1) * stride, 0.0);
  for (std::size_t i = 0; i < leaves.size(); ++i) {
    const double part = leaves[i].value * masses.whole[i] / masses.sides[i][a] / masses.sides[i][b];
    for (const Run& run_a : masses.runs[i][a]) {
      for (const Run& run_b : masses.runs[i][b]) {
        steps[run_a.begin * stride + run_b.begin] += part;
        steps[run_a.begin * stride + run_b.end] -= part;
        steps[run_a.end * stride + run_b.begin] -= part;
        steps[run_a.end * stride + run_b.end] += part;
      }
    }
  }
  double variance = 0;
  std::vector<double> heights(stride, 0.0);
  for (std::size_t r = 0; r < rows.size(); ++r) {
    double along = 0;
    for (std::size_t c = 0; c < columns.size(); ++c) {
      along += steps[r * stride + c];
      heights[c] += along;
      variance += rows[r] * columns[c] * (heights[c] - mean) * (heights[c] - mean);
    }
  }
  return variance;
}

class Grower {
 public:
  Grower(const UnitTrials& trials, std::int64_t max_depth, std::int64_t min_split)
      : trials_(trials), max_depth_(max_depth), min_split_(min_split) {}

  void grow(std::vector<std::size_t> rows, std::vector<Side> sides, std::int64_t depth) {
    const double mean = mean_of(trials_, rows);
    Split best;
    if (depth < max_depth_ && static_cast<std::int64_t>(rows.size()) >= min_split_) {
      for (std::size_t axis = 0; axis < trials_.axes.size(); ++axis)
        try_axis(trials_, axis, rows, mean, best);
    }
    if (best.gain <= 0) {
      leaves_.push_back({std::move(sides), mean});
      return;
    }
    const UnitAxis& axis = trials_.axes[best.axis];
    std::vector<std::size_t> left, right;
    for (const std::size_t row : rows) (goes_left(best, axis, row) ? left : right).push_back(row);
    std::vector<Side> right_sides = sides;
    if (axis.ordered) {
      sides[best.axis].high = right_sides[best.axis].low = best.threshold;
    } else {
      for (std::size_t level = 0; level < axis.levels; ++level) {
        if (best.left_levels[level]) {
          right_sides[best.axis].levels[level] = false;
        } else {
          sides[best.axis].levels[level] = false;
        }
      }
    }
    grow(std::move(left), std::move(sides), depth + 1);
    grow(std::move(right), std::move(right_sides), depth + 1);
  }

  std::vector<Leaf> leaves_;

 private:
  const UnitTrials& trials_;
  std::int64_t max_depth_, min_split_;
};

}  // namespace

std::vector<Leaf> grow_tree(const UnitTrials& trials, std::vector<std::size_t> rows,
                            std::int64_t max_depth, std::int64_t min_split) {
  std::vector<Side> sides;
  for (const UnitAxis& axis : trials.axes) {
    Side side;
    if (!axis.ordered) side.levels.assign(axis.levels, true);
    sides.push_back(std::move(side));
  }
  Grower grower(trials, max_depth, min_split);
  grower.grow(std::move(rows), std::move(sides), 0);
  return std::move(grower.leaves_);
}

bool covers(const Leaf& leaf, const UnitTrials& trials, std::size_t row) {
  for (std::size_t axis = 0; axis < trials.axes.size(); ++axis) {
    const Side& side = leaf.sides[axis];
    const double place = trials.axes[axis].place[row];
    if (!side.levels.empty()) {
      if (!side.levels[static_cast<std::size_t>(place)]) return false;
    } else if (place < side.low || (place >= side.high && side.high < 1)) {
      return false;
    }
  }
  return true;
}

Variance take_apart(const std::vector<Leaf>& leaves, const std::vector<UnitAxis>& axes) {
  Masses masses;
  for (std::size_t axis = 0; axis < axes.size(); ++axis)
    masses.cells.push_back(cells_of(leaves, axes[axis], axis));
  double mean = 0, square = 0;
  for (const Leaf& leaf : leaves) {
    std::vector<double> sides;
    std::vector<std::vector<Run>> runs;
    double whole = 1;
    for (std::size_t axis = 0; axis < axes.size(); ++axis) {
      sides.push_back(mass_of(leaf.sides[axis]));
      whole *= sides.back();
      runs.push_back(runs_of(leaf.sides[axis], masses.cells[axis]));
    }
    mean += whole * leaf.value;
    square += whole * leaf.value * leaf.value;
    masses.sides.push_back(std::move(sides));
    masses.runs.push_back(std::move(runs));
    masses.whole.push_back(whole);
  }
  Variance variance;
  variance.total = std::max(0.0, square - mean * mean);
  for (std::size_t axis = 0; axis < axes.size(); ++axis)
    variance.single.push_back(single_variance(leaves, masses, axis, mean));
  variance.pairs.assign(axes.size(), std::vector<double>(axes.size(), 0.0));
  for (std::size_t a = 0; a < axes.size(); ++a) {
    for (std::size_t b = a + 1; b < axes.size(); ++b) {
      const double both = pair_variance(leaves, masses, a, b, mean);
      variance.pairs[a][b] = std::max(0.0, both - variance.single[a] - variance.single[b]);
    }
  }
  return variance;
}

}  // namespace jetcal::hpo::detail
