// SPDX-License-Identifier: Apache-2.0
#include "jetcal/analysis/quantiles.h"

#include <array>
#include <cmath>
#include <limits>

namespace jetcal::analysis {

namespace {

constexpr double kMissing = std::numeric_limits<double>::quiet_NaN();
constexpr std::array<double, 3> kProbabilities{0.25, 0.5, 0.75};

struct Position {
  std::int64_t below;  // index of the order statistic at or below the quantile
  double fraction;     // of the way to the next one
};

Position position(std::int64_t count, double probability) noexcept {
  const double h = static_cast<double>(count - 1) * probability;
  const double floor = std::floor(h);
  return {static_cast<std::int64_t>(floor), h - floor};
}

}  // namespace

Quartiles::Quartiles() noexcept : q25(kMissing), q50(kMissing), q75(kMissing) {}

double quantile(std::span<const double> ascending, double probability) noexcept {
  const auto count = static_cast<std::int64_t>(ascending.size());
  if (count == 0) return kMissing;
  const Position at = position(count, probability);
  const double low = ascending[at.below];
  if (at.fraction == 0) return low;
  return low + at.fraction * (ascending[at.below + 1] - low);
}

Quartiles quartiles(std::span<const double> ascending) noexcept {
  return {static_cast<std::int64_t>(ascending.size()), quantile(ascending, kProbabilities[0]),
          quantile(ascending, kProbabilities[1]), quantile(ascending, kProbabilities[2])};
}

Quartiles quartiles(std::span<const double> values, std::span<const std::uint32_t> order) noexcept {
  if (order.empty()) return {};
  const auto count = static_cast<std::int64_t>(order.size());
  std::array<double, 3> result{};
  for (std::size_t k = 0; k < kProbabilities.size(); ++k) {
    const Position at = position(count, kProbabilities[k]);
    result[k] = values[order[at.below]];
    if (at.fraction != 0)
      result[k] += at.fraction * (values[order[at.below + 1]] - values[order[at.below]]);
  }
  return {count, result[0], result[1], result[2]};
}

Quartiles resampled_quartiles(std::span<const double> values, std::span<const std::uint32_t> order,
                              std::span<const std::uint16_t> counts) noexcept {
  std::int64_t total = 0;
  for (const std::uint32_t row : order) total += counts[row];
  if (total == 0) return {};

  std::array<double, 3> result{};
  std::size_t i = 0;
  std::int64_t covered = counts[order[0]];  // rows up to and including order[i]
  const auto advance_to = [&](std::int64_t index) {
    while (covered <= index) covered += counts[order[++i]];
    return values[order[i]];
  };
  for (std::size_t k = 0; k < kProbabilities.size(); ++k) {
    const Position at = position(total, kProbabilities[k]);
    const double low = advance_to(at.below);
    result[k] = low;
    if (at.fraction == 0) continue;
    const std::size_t here = i;  // in a tiny sample the next quartile starts at this index again
    const std::int64_t covered_here = covered;
    result[k] += at.fraction * (advance_to(at.below + 1) - low);
    i = here;
    covered = covered_here;
  }
  return {total, result[0], result[1], result[2]};
}

}  // namespace jetcal::analysis
