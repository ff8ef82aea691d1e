// SPDX-License-Identifier: Apache-2.0
#include "jetcal/analysis/response_analysis.h"

#include <algorithm>
#include <cmath>

#include "jetcal/analysis/flavor_dependence.h"
#include "jetcal/base/error.h"

namespace jetcal::analysis {

namespace {

constexpr int kBaseline = 0;
constexpr double kLowestThreshold = 15;  // GeV
constexpr int kGluonGroup = kFirstFlavor + 5;
constexpr int kHistogramBins = 40;

// Axis of the response distribution per range; the widths follow the resolution.
struct Axis {
  double low, high;
};
constexpr std::array<Axis, kPtRanges.size()> kResponseAxes{
    {{0.3, 1.7}, {0.3, 1.7}, {0.5, 1.5}, {0.6, 1.4}, {0.7, 1.3}}};

class Numbers {
 public:
  Numbers(const ResponseSample& sample, const AnalysisOptions& options, double reco_threshold)
      : sample_(sample),
        options_(options),
        reco_threshold_(reco_threshold),
        quartiles_(bootstrap(sample, {options.resamplings, options.seed, options.on_progress})) {}

  std::vector<BinNumbers> bins(int corrector, int region) const;
  std::vector<RangeNumbers> ranges(int corrector, int region) const;
  std::vector<Distribution> distributions(int corrector, int region) const;

 private:
  BinNumbers bin(int corrector, int region, int bin) const;
  RangeNumbers range(int corrector, int region, int range) const;
  Estimate median(int cell, int corrector) const {
    return estimate(quartiles_, [=](const QuartileTable& t) { return t.at(cell, corrector).q50; });
  }
  Estimate resolution(int cell, int corrector) const {
    return estimate(quartiles_,
                    [=](const QuartileTable& t) { return t.at(cell, corrector).resolution(); });
  }
  std::int64_t jets(int cell) const { return quartiles_.sample.at(cell, kBaseline).jets; }
  bool cut_biased(double low) const { return reco_threshold_ > 0 && low < kCutBiasedBelow; }

  const ResponseSample& sample_;
  const AnalysisOptions& options_;
  double reco_threshold_;
  BootstrappedQuartiles quartiles_;
};

BinNumbers Numbers::bin(int corrector, int region, int bin) const {
  const int all = bin_cell(region, bin, kAllFlavors);
  const int light = bin_cell(region, bin, kLightQuarks);
  const int gluon = bin_cell(region, bin, kGluonGroup);
  BinNumbers result;
  result.low = pt_edges()[bin];
  result.high = pt_edges()[bin + 1];
  result.center = std::sqrt(result.low * result.high);
  result.jets = jets(all);
  result.light_quark_jets = jets(light);
  result.gluon_jets = jets(gluon);
  result.q25 = quartiles_.sample.at(all, corrector).q25;
  result.q75 = quartiles_.sample.at(all, corrector).q75;
  result.median = median(all, corrector);
  result.resolution = resolution(all, corrector);
  result.resolution_ratio = estimate(quartiles_, [=](const QuartileTable& t) {
    return t.at(all, corrector).resolution() / t.at(all, kBaseline).resolution();
  });
  result.light_minus_gluon = estimate(quartiles_, [=](const QuartileTable& t) {
    return t.at(light, corrector).q50 - t.at(gluon, corrector).q50;
  });
  result.too_few_jets = result.jets < options_.min_jets;
  result.too_few_flavored =
      std::min(result.light_quark_jets, result.gluon_jets) < options_.min_jets;
  result.cut_biased = cut_biased(result.low);
  return result;
}

std::vector<BinNumbers> Numbers::bins(int corrector, int region) const {
  std::vector<BinNumbers> result;
  result.reserve(kNumPtBins);
  for (int i = 0; i < kNumPtBins; ++i) result.push_back(bin(corrector, region, i));
  for (std::int64_t jet = 0; jet < sample_.num_jets(); ++jet) {
    const int i = find_pt_bin(sample_.pt_gen[jet]);
    if (sample_.region[jet] != region || i < 0 || i >= kNumPtBins) continue;
    result[i].mean_pt_gen += sample_.pt_gen[jet];
  }
  for (BinNumbers& numbers : result) numbers.mean_pt_gen /= static_cast<double>(numbers.jets);
  return result;
}

double flavor_error_sum(const QuartileTable& table, int region, int range, int corrector) {
  std::array<double, 6> medians{};
  for (int i = 0; i < 6; ++i) {
    medians[i] = table.at(range_cell(region, range, kFirstFlavor + i), corrector).q50;
  }
  return sum_of_absolute_errors(medians);
}

RangeNumbers Numbers::range(int corrector, int region, int range) const {
  const int all = range_cell(region, range, kAllFlavors);
  RangeNumbers result;
  result.range = range;
  result.jets = jets(all);
  result.median = median(all, corrector);
  result.resolution = resolution(all, corrector);
  for (int i = 0; i < 6; ++i) {
    const int cell = range_cell(region, range, kFirstFlavor + i);
    result.flavor_jets[i] = jets(cell);
    result.flavor_medians[i] = median(cell, corrector);
  }
  result.sae = estimate(quartiles_, [=](const QuartileTable& t) {
    return flavor_error_sum(t, region, range, corrector);
  });
  result.alpha = estimate(quartiles_, [=](const QuartileTable& t) {
    return gain(flavor_error_sum(t, region, range, corrector),
                flavor_error_sum(t, region, range, kBaseline));
  });
  result.beta = estimate(quartiles_, [=](const QuartileTable& t) {
    return gain(t.at(all, corrector).resolution(), t.at(all, kBaseline).resolution());
  });
  result.too_few_jets = result.jets < options_.min_jets;
  result.too_few_flavored =
      *std::min_element(result.flavor_jets.begin(), result.flavor_jets.end()) < options_.min_jets;
  result.cut_biased = cut_biased(kPtRanges[range].low);
  return result;
}

std::vector<RangeNumbers> Numbers::ranges(int corrector, int region) const {
  std::vector<RangeNumbers> result;
  for (std::size_t i = 0; i < kPtRanges.size(); ++i) {
    result.push_back(range(corrector, region, static_cast<int>(i)));
  }
  return result;
}

Distribution empty_distribution(int range) {
  Distribution result;
  result.range = range;
  const Axis axis = kResponseAxes[range];
  for (int i = 0; i <= kHistogramBins; ++i) {
    result.edges.push_back(axis.low + (axis.high - axis.low) * i / kHistogramBins);
  }
  result.counts.resize(kHistogramBins);
  return result;
}

void fill(Distribution& distribution, double response) {
  const std::vector<double>& edges = distribution.edges;
  if (response < edges.front()) {
    ++distribution.underflow;
  } else if (response >= edges.back()) {
    ++distribution.overflow;
  } else {
    const auto above = std::upper_bound(edges.begin(), edges.end(), response);
    ++distribution.counts[above - edges.begin() - 1];
  }
}

std::vector<Distribution> Numbers::distributions(int corrector, int region) const {
  std::vector<Distribution> result;
  for (std::size_t i = 1; i < kPtRanges.size(); ++i) {  // the first holds the others
    result.push_back(empty_distribution(static_cast<int>(i)));
  }
  for (std::int64_t jet = 0; jet < sample_.num_jets(); ++jet) {
    if (sample_.region[jet] != region) continue;
    for (Distribution& distribution : result) {
      const PtRange& range = kPtRanges[distribution.range];
      if (sample_.pt_gen[jet] < range.low || sample_.pt_gen[jet] >= range.high) continue;
      fill(distribution, sample_.response[corrector][jet]);
    }
  }
  return result;
}

double loss(const ResponseSample& sample, int corrector) {
  double sum = 0;
  for (std::int64_t jet = 0; jet < sample.num_jets(); ++jet) {
    // y - y_hat = log(pt_gen / pt_reco) - log(pt_corr / pt_reco) = -log(response)
    if (std::abs(sample.target[jet]) < 1)
      sum += std::abs(std::log(sample.response[corrector][jet]));
  }
  return sum / static_cast<double>(sample.num_jets());
}

double reco_threshold(const ResponseSample& sample, const AnalysisOptions& options) {
  if (options.reco_threshold) return *options.reco_threshold;
  return sample.min_pt_reco >= kLowestThreshold ? sample.min_pt_reco : 0;
}

}  // namespace

Analysis analyze(const JetSample& sample, const AnalysisOptions& options) {
  if (options.min_jets < 1)
    fail(ErrorCode::InvalidArgument, "min_jets must be at least 1, got ", options.min_jets);
  const ResponseSample used = select_jets(sample);
  Analysis result;
  result.options = options;
  result.counts = used.counts;
  result.reco_threshold = reco_threshold(used, options);
  const Numbers numbers(used, options, result.reco_threshold);
  for (int k = 0; k < used.num_correctors(); ++k) {
    CorrectorNumbers corrector;
    corrector.name = used.names[k];
    corrector.loss = loss(used, k);
    for (int region = 0; region < static_cast<int>(kRegions.size()); ++region) {
      corrector.regions[region] = {numbers.bins(k, region), numbers.ranges(k, region),
                                   numbers.distributions(k, region)};
    }
    result.correctors.push_back(std::move(corrector));
  }
  for (CorrectorNumbers& corrector : result.correctors) {
    corrector.loss_gain = gain(corrector.loss, result.correctors[kBaseline].loss);
  }
  return result;
}

}  // namespace jetcal::analysis
