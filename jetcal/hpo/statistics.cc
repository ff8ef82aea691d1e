// SPDX-License-Identifier: Apache-2.0
#include "jetcal/hpo/statistics.h"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>
#include <numeric>

namespace jetcal::hpo {

namespace {

constexpr double kNone = std::numeric_limits<double>::quiet_NaN();

std::vector<std::size_t> order_of(std::span<const double> values) {
  std::vector<std::size_t> order(values.size());
  std::iota(order.begin(), order.end(), 0);
  std::stable_sort(order.begin(), order.end(),
                   [&](std::size_t a, std::size_t b) { return values[a] < values[b]; });
  return order;
}

// Pairs of equal neighbours among sorted items.
template <typename Equal>
double tied_pairs(std::size_t count, Equal equal) {
  double pairs = 0, run = 1;
  for (std::size_t i = 1; i < count; ++i) {
    run = equal(i - 1, i) ? run + 1 : 1;
    if (run > 1) pairs += run - 1;
  }
  return pairs;
}

// Sorts values and counts the exchanges of neighbours that bubble sort would make.
std::int64_t sort_counting(std::span<double> values, std::span<double> scratch) {
  const std::size_t half = values.size() / 2;
  if (half == 0) return 0;
  std::int64_t exchanges = sort_counting(values.first(half), scratch.first(half)) +
                           sort_counting(values.subspan(half), scratch.subspan(half));
  std::size_t left = 0, right = half;
  for (double& out : scratch) {
    const bool take_right = left == half || (right < values.size() && values[right] < values[left]);
    if (take_right) exchanges += static_cast<std::int64_t>(half - left);
    out = take_right ? values[right++] : values[left++];
  }
  std::copy(scratch.begin(), scratch.end(), values.begin());
  return exchanges;
}

}  // namespace

double mean(std::span<const double> values) {
  if (values.empty()) return kNone;
  return std::accumulate(values.begin(), values.end(), 0.0) / static_cast<double>(values.size());
}

double pearson(std::span<const double> x, std::span<const double> y) {
  if (x.size() < 2) return kNone;
  const double mean_x = mean(x), mean_y = mean(y);
  double xx = 0, yy = 0, xy = 0;
  for (std::size_t i = 0; i < x.size(); ++i) {
    xx += (x[i] - mean_x) * (x[i] - mean_x);
    yy += (y[i] - mean_y) * (y[i] - mean_y);
    xy += (x[i] - mean_x) * (y[i] - mean_y);
  }
  // A constant column may miss its own mean by a rounding of the sum.
  const auto constant = [](std::span<const double> values) {
    return std::all_of(values.begin(), values.end(), [&](double v) { return v == values[0]; });
  };
  if (constant(x) || constant(y) || xx <= 0 || yy <= 0) return kNone;
  return std::clamp(xy / std::sqrt(xx) / std::sqrt(yy), -1.0, 1.0);
}

std::vector<double> mean_ranks(std::span<const double> values) {
  const std::vector<std::size_t> order = order_of(values);
  std::vector<double> ranks(values.size());
  for (std::size_t begin = 0; begin < order.size();) {
    std::size_t end = begin + 1;
    while (end < order.size() && values[order[end]] == values[order[begin]]) ++end;
    const double rank = (static_cast<double>(begin + 1) + static_cast<double>(end)) / 2;
    for (; begin < end; ++begin) ranks[order[begin]] = rank;
  }
  return ranks;
}

double spearman(std::span<const double> x, std::span<const double> y) {
  const std::vector<double> ranks_x = mean_ranks(x), ranks_y = mean_ranks(y);
  return pearson(ranks_x, ranks_y);
}

double kendall(std::span<const double> x, std::span<const double> y) {
  const std::size_t count = x.size();
  if (count < 2) return kNone;
  std::vector<std::size_t> order(count);
  std::iota(order.begin(), order.end(), 0);
  std::sort(order.begin(), order.end(),
            [&](std::size_t a, std::size_t b) { return x[a] != x[b] ? x[a] < x[b] : y[a] < y[b]; });
  const double pairs = static_cast<double>(count) * static_cast<double>(count - 1) / 2;
  const double tied_x =
      tied_pairs(count, [&](std::size_t a, std::size_t b) { return x[order[a]] == x[order[b]]; });
  const double tied_both = tied_pairs(count, [&](std::size_t a, std::size_t b) {
    return x[order[a]] == x[order[b]] && y[order[a]] == y[order[b]];
  });
  std::vector<double> sorted(count), scratch(count);
  for (std::size_t i = 0; i < count; ++i) sorted[i] = y[order[i]];
  const auto discordant = static_cast<double>(sort_counting(sorted, scratch));
  const double tied_y =
      tied_pairs(count, [&](std::size_t a, std::size_t b) { return sorted[a] == sorted[b]; });
  if (tied_x == pairs || tied_y == pairs) return kNone;
  const double concordant_minus = pairs - tied_x - tied_y + tied_both - 2 * discordant;
  return std::clamp(concordant_minus / std::sqrt(pairs - tied_x) / std::sqrt(pairs - tied_y), -1.0,
                    1.0);
}

double quantile(std::span<const double> values, double fraction) {
  std::vector<double> sorted(values.begin(), values.end());
  std::sort(sorted.begin(), sorted.end());
  const double place = fraction * static_cast<double>(sorted.size() - 1);
  const auto below = static_cast<std::size_t>(place);
  const std::size_t above = std::min(below + 1, sorted.size() - 1);
  return sorted[below] + (place - static_cast<double>(below)) * (sorted[above] - sorted[below]);
}

}  // namespace jetcal::hpo
