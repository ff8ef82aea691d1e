// SPDX-License-Identifier: Apache-2.0
#include "jetcal/hpo/importance.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "jetcal/base/random.h"
#include "jetcal/hpo/detail/partition_tree.h"
#include "jetcal/hpo/statistics.h"

namespace jetcal::hpo {

namespace {

constexpr std::size_t kCells = 50;  // of a range, in PED-ANOVA, as its authors take

std::vector<std::size_t> draw_rows(std::size_t count, Rng& rng) {
  std::vector<std::size_t> rows(count);
  for (std::size_t& row : rows) row = rng.below(count);
  return rows;
}

// Sums of predictions for the trials that trees did not see.
struct OutOfBag {
  std::vector<double> sums, counts;
};

void predict_unseen(const std::vector<detail::Leaf>& leaves, const detail::UnitTrials& trials,
                    const std::vector<std::size_t>& seen, OutOfBag& out) {
  std::vector<bool> in_bag(trials.results.size(), false);
  for (const std::size_t row : seen) in_bag[row] = true;
  for (std::size_t row = 0; row < in_bag.size(); ++row) {
    if (in_bag[row]) continue;
    for (const detail::Leaf& leaf : leaves) {
      if (!detail::covers(leaf, trials, row)) continue;
      out.sums[row] += leaf.value;
      out.counts[row] += 1;
      break;
    }
  }
}

double r_squared(const OutOfBag& out, const std::vector<double>& results) {
  const double centre = mean(results);
  double left = 0, total = 0;
  for (std::size_t row = 0; row < results.size(); ++row) {
    if (out.counts[row] == 0) continue;
    left += std::pow(results[row] - out.sums[row] / out.counts[row], 2);
    total += std::pow(results[row] - centre, 2);
  }
  return total > 0 ? 1 - left / total : 0;
}

// Adds the parts of one tree; returns whether it has any variance.
bool add_tree(const detail::Variance& variance, const std::vector<detail::UnitAxis>& axes,
              Importance& importance) {
  if (variance.total <= 0) return false;
  double sum = 0;
  for (std::size_t a = 0; a < axes.size(); ++a) {
    importance.single[axes[a].name] += variance.single[a] / variance.total;
    sum += variance.single[a] / variance.total;
    for (std::size_t b = a + 1; b < axes.size(); ++b) {
      importance.pairs[axes[a].name + " x " + axes[b].name] +=
          variance.pairs[a][b] / variance.total;
      sum += variance.pairs[a][b] / variance.total;
    }
  }
  importance.rest += std::max(0.0, 1 - sum);
  return true;
}

// Density over cells of an axis: kernels (levels: counts) and one trial's worth of uniform prior.
std::vector<double> density_of(const detail::UnitAxis& axis, const std::vector<std::size_t>& rows) {
  const std::size_t cells = axis.levels > 0 ? axis.levels : kCells;
  const double prior = 1.0 / static_cast<double>(cells);
  std::vector<double> density(cells, prior), places;
  for (const std::size_t row : rows) places.push_back(axis.place[row]);
  if (axis.levels > 0) {
    for (const double place : places) {
      const double level = axis.ordered ? place * static_cast<double>(cells) : place;
      density[std::min(cells - 1, static_cast<std::size_t>(level))] += 1;
    }
  } else {
    const double centre = mean(places);
    double variance = 0;
    for (const double place : places) variance += (place - centre) * (place - centre);
    const double deviation = std::sqrt(variance / static_cast<double>(places.size()));
    const double range = (quantile(places, 0.75) - quantile(places, 0.25)) / 1.34;
    // Scott's rule; never finer than a cell, which could not show it.
    const double width = std::max(1.059 * (range > 0 ? std::min(deviation, range) : deviation) *
                                      std::pow(static_cast<double>(places.size()), -0.2),
                                  prior);
    for (const double place : places) {
      std::vector<double> kernel(cells);
      for (std::size_t c = 0; c < cells; ++c) {
        const double distance = ((static_cast<double>(c) + 0.5) * prior - place) / width;
        kernel[c] = std::exp(-distance * distance / 2);
      }
      const double sum = std::accumulate(kernel.begin(), kernel.end(), 0.0);
      for (std::size_t c = 0; c < cells; ++c) density[c] += kernel[c] / sum;
    }
  }
  const double sum = std::accumulate(density.begin(), density.end(), 0.0);
  for (double& value : density) value /= sum;
  return density;
}

}  // namespace

Importance fanova(const TrialTable& table, const std::string& metric,
                  const ForestOptions& options) {
  const detail::UnitTrials trials = detail::unit_trials(table, metric);
  Importance importance;
  OutOfBag out{std::vector<double>(trials.results.size(), 0.0),
               std::vector<double>(trials.results.size(), 0.0)};
  std::int64_t counted = 0;
  for (std::int64_t tree = 0; tree < options.trees; ++tree) {
    Rng rng(mix64(options.seed, static_cast<std::uint64_t>(tree)));
    const std::vector<std::size_t> rows = draw_rows(trials.results.size(), rng);
    const std::vector<detail::Leaf> leaves =
        detail::grow_tree(trials, rows, options.max_depth, options.min_split);
    predict_unseen(leaves, trials, rows, out);
    if (add_tree(detail::take_apart(leaves, trials.axes), trials.axes, importance)) ++counted;
  }
  const auto share = [counted](double& part) {
    if (counted > 0) part /= static_cast<double>(counted);
  };
  for (auto& [name, part] : importance.single) share(part);
  for (auto& [name, part] : importance.pairs) share(part);
  share(importance.rest);
  importance.out_of_bag = r_squared(out, trials.results);
  return importance;
}

std::map<std::string, double> ped_anova(const TrialTable& table, const std::string& metric,
                                        bool maximise, double fraction) {
  const detail::UnitTrials trials = detail::unit_trials(table, metric);
  std::vector<std::size_t> all(trials.results.size());
  std::iota(all.begin(), all.end(), 0);
  std::vector<std::size_t> order = all;
  std::stable_sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) {
    return maximise ? trials.results[a] > trials.results[b] : trials.results[a] < trials.results[b];
  });
  const auto wanted =
      static_cast<std::size_t>(std::ceil(fraction * static_cast<double>(trials.results.size())));
  order.resize(std::clamp<std::size_t>(wanted, 2, order.size()));
  std::map<std::string, double> parts;
  double sum = 0;
  for (const detail::UnitAxis& axis : trials.axes) {
    const std::vector<double> top = density_of(axis, order), whole = density_of(axis, all);
    double& part = parts[axis.name];
    for (std::size_t c = 0; c < top.size(); ++c)
      part += (top[c] - whole[c]) * (top[c] - whole[c]) / whole[c];
    sum += part;
  }
  if (sum > 0) {
    for (auto& [name, part] : parts) part /= sum;
  }
  return parts;
}

}  // namespace jetcal::hpo
