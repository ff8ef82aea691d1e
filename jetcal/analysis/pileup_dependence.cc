// SPDX-License-Identifier: Apache-2.0
#include "jetcal/analysis/pileup_dependence.h"

#include <array>
#include <limits>

#include "jetcal/analysis/cells.h"

namespace jetcal::analysis {

namespace {

// Sums of a variable over the jets of each range and bin of one region.
using Sums = std::array<std::array<double, kNumPileupBins>, kPtRanges.size()>;

Sums sum_variable(const ResponseSample& sample, int variable, int region) {
  Sums sums{};
  for (std::int64_t jet = 0; jet < sample.num_jets(); ++jet) {
    if (sample.region[jet] != region) continue;
    const double value = sample.pileup[variable][jet];
    const int bin = find_pileup_bin(variable, value);
    if (bin < 0) continue;
    for (std::size_t range = 0; range < kPtRanges.size(); ++range) {
      if (sample.pt_gen[jet] >= kPtRanges[range].low && sample.pt_gen[jet] < kPtRanges[range].high)
        sums[range][bin] += value;
    }
  }
  return sums;
}

Estimate fit(const BootstrappedQuartiles& quartiles, int corrector, const std::vector<int>& cells,
             const std::vector<double>& x) {
  std::vector<double> weight;
  weight.reserve(cells.size());
  for (const int cell : cells)
    weight.push_back(static_cast<double>(quartiles.sample.at(cell, corrector).jets));
  return estimate(quartiles, [&](const QuartileTable& table) {
    std::vector<double> y;
    y.reserve(cells.size());
    for (const int cell : cells) y.push_back(table.at(cell, corrector).q50);
    return weighted_slope(x, y, weight);
  });
}

}  // namespace

double weighted_slope(const std::vector<double>& x, const std::vector<double>& y,
                      const std::vector<double>& weight) noexcept {
  double sum = 0, mean_x = 0, mean_y = 0;
  for (std::size_t i = 0; i < x.size(); ++i) {
    sum += weight[i];
    mean_x += weight[i] * x[i];
    mean_y += weight[i] * y[i];
  }
  mean_x /= sum;
  mean_y /= sum;
  double xx = 0, xy = 0;
  for (std::size_t i = 0; i < x.size(); ++i) {
    xx += weight[i] * (x[i] - mean_x) * (x[i] - mean_x);
    xy += weight[i] * (x[i] - mean_x) * (y[i] - mean_y);
  }
  return x.size() >= 2 && xx > 0 ? xy / xx : std::numeric_limits<double>::quiet_NaN();
}

std::vector<PileupDependence> pileup_dependences(const ResponseSample& sample,
                                                 const BootstrappedQuartiles& quartiles,
                                                 int corrector, int region, int min_jets) {
  std::vector<PileupDependence> result;
  for (int variable = 0; variable < static_cast<int>(kPileupVariables.size()); ++variable) {
    if (sample.pileup[variable].empty()) continue;
    const double width = kPileupVariables[variable].width;
    const Sums sums = sum_variable(sample, variable, region);
    for (int range = 0; range < static_cast<int>(kPtRanges.size()); ++range) {
      PileupDependence dependence;
      dependence.variable = variable;
      dependence.range = range;
      std::vector<int> fitted;
      std::vector<double> x;
      for (int i = 0; i < kNumPileupBins; ++i) {
        const int cell = pileup_cell(variable, region, range, i);
        PileupBin bin;
        bin.jets = quartiles.sample.at(cell, corrector).jets;
        if (bin.jets == 0) continue;
        bin.low = i * width;
        bin.high = (i + 1) * width;
        bin.mean = sums[range][i] / static_cast<double>(bin.jets);
        bin.median = estimate(
            quartiles, [=](const QuartileTable& table) { return table.at(cell, corrector).q50; });
        bin.too_few_jets = bin.jets < min_jets;
        if (!bin.too_few_jets) {
          fitted.push_back(cell);
          x.push_back(bin.mean);
        }
        dependence.bins.push_back(bin);
      }
      dependence.fitted_bins = static_cast<int>(fitted.size());
      dependence.slope = fit(quartiles, corrector, fitted, x);
      result.push_back(std::move(dependence));
    }
  }
  return result;
}

}  // namespace jetcal::analysis
