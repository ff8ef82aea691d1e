// SPDX-License-Identifier: Apache-2.0
#include "jetcal/analysis/histograms.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <numeric>

#include "jetcal/analysis/cells.h"

namespace jetcal::analysis {

namespace {

constexpr int kResponseBins = 40, kTargetBins = 80, kEtaBins = 25;

// Axis of the response distribution per range; the widths follow the resolution.
struct Axis {
  double low, high;
};
constexpr std::array<Axis, kPtRanges.size()> kResponseAxes{
    {{0.3, 1.7}, {0.3, 1.7}, {0.5, 1.5}, {0.6, 1.4}, {0.7, 1.3}}};

}  // namespace

void Histogram::fill(double value) noexcept {
  if (value < edges.front()) {
    ++underflow;
  } else if (value >= edges.back()) {
    ++overflow;
  } else {
    const auto above = std::upper_bound(edges.begin(), edges.end(), value);
    ++counts[above - edges.begin() - 1];
  }
}

std::int64_t Histogram::entries() const noexcept {
  return std::accumulate(counts.begin(), counts.end(), underflow + overflow);
}

Histogram make_histogram(double low, double high, int bins, bool geometric) {
  Histogram result;
  for (int i = 0; i <= bins; ++i) {
    const double part = static_cast<double>(i) / bins;
    result.edges.push_back(geometric ? low * std::pow(high / low, part)
                                     : low + (high - low) * i / bins);
  }
  result.edges.back() = high;
  result.counts.resize(bins);
  return result;
}

std::vector<Distribution> response_distributions(const ResponseSample& sample, int corrector,
                                                 int region) {
  std::vector<Distribution> result;
  for (int i = 1; i < static_cast<int>(kPtRanges.size()); ++i) {  // the first holds the others
    const Axis axis = kResponseAxes[i];
    result.push_back({i, make_histogram(axis.low, axis.high, kResponseBins)});
  }
  for (std::int64_t jet = 0; jet < sample.num_jets(); ++jet) {
    if (sample.region[jet] != region) continue;
    for (Distribution& distribution : result) {
      const PtRange& range = kPtRanges[distribution.range];
      if (sample.pt_gen[jet] < range.low || sample.pt_gen[jet] >= range.high) continue;
      distribution.histogram.fill(sample.response[corrector][jet]);
    }
  }
  return result;
}

Histogram target_distribution(const ResponseSample& sample, int region) {
  Histogram result = make_histogram(-1, 1, kTargetBins);
  for (std::int64_t jet = 0; jet < sample.num_jets(); ++jet) {
    if (sample.region[jet] == region) result.fill(sample.target[jet]);
  }
  return result;
}

Spectrum spectrum(const ResponseSample& sample) {
  const Histogram pt =
      make_histogram(pt_edges().front(), pt_edges().back(), 2 * kNumPtBins, /*geometric=*/true);
  std::vector<Histogram> rows(kEtaBins, pt);
  const Histogram eta = make_histogram(0, kRegions.back().high, kEtaBins);
  for (std::int64_t jet = 0; jet < sample.num_jets(); ++jet) {
    const auto above = std::upper_bound(eta.edges.begin(), eta.edges.end() - 1,
                                        static_cast<double>(sample.abs_eta_gen[jet]));
    rows[above - eta.edges.begin() - 1].fill(sample.pt_gen[jet]);
  }
  Spectrum result{pt.edges, eta.edges, {}, 0};
  for (const Histogram& row : rows) {
    result.counts.push_back(row.counts);
    result.outside += row.underflow + row.overflow;
  }
  return result;
}

}  // namespace jetcal::analysis
