// SPDX-License-Identifier: Apache-2.0
#include "jetcal/sim/density.h"

#include <algorithm>
#include <cmath>
#include <vector>

#include "jetcal/sim/particle.h"

namespace jetcal::sim {

namespace {

constexpr double kCellSize = 0.55;  // CMS: fixedGridRhoFastjet

template <typename Keep>
double grid_median(std::span<const Candidate> candidates, double max_eta, Keep&& keep) {
  const int num_eta = std::max(1, static_cast<int>(2 * max_eta / kCellSize));
  const int num_phi = static_cast<int>(2 * M_PI / kCellSize);
  std::vector<double> sums(static_cast<std::size_t>(num_eta * num_phi), 0);
  for (const Candidate& c : candidates) {
    if (std::abs(c.eta) >= max_eta || !keep(c)) continue;
    const int row =
        std::min(static_cast<int>((c.eta + max_eta) / (2 * max_eta) * num_eta), num_eta - 1);
    const int column =
        std::min(static_cast<int>((wrap_phi(c.phi) + M_PI) / (2 * M_PI) * num_phi), num_phi - 1);
    sums[static_cast<std::size_t>(row) * num_phi + column] += c.pt;
  }
  const auto middle = sums.begin() + static_cast<std::ptrdiff_t>(sums.size() / 2);
  std::nth_element(sums.begin(), middle, sums.end());
  const double area = 2 * max_eta / num_eta * 2 * M_PI / num_phi;
  return *middle / area;
}

}  // namespace

Densities measure_densities(std::span<const Candidate> candidates) {
  const auto any = [](const Candidate&) { return true; };
  const auto is_neutral = [](const Candidate& c) { return !c.charged; };
  const auto is_pileup = [](const Candidate& c) { return c.charged && c.from_pv < 2; };
  return {grid_median(candidates, 5.0, any), grid_median(candidates, 2.5, any),
          grid_median(candidates, 2.5, is_neutral), grid_median(candidates, 2.5, is_pileup)};
}

}  // namespace jetcal::sim
