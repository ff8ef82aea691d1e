// SPDX-License-Identifier: Apache-2.0
#include "jetcal/analysis/response_analysis.h"

#include <algorithm>
#include <cmath>

#include "jetcal/base/error.h"

namespace jetcal::analysis {

namespace {

constexpr int kBaseline = 0;
constexpr double kLowestThreshold = 15;  // GeV
class Numbers {
 public:
  Numbers(const ResponseSample& sample, const AnalysisOptions& options, double reco_threshold)
      : sample_(sample),
        options_(options),
        reco_threshold_(reco_threshold),
        quartiles_(bootstrap(sample, {options.resamplings, options.seed, options.on_progress})) {}

  std::vector<BinNumbers> bins(int corrector, int region) const;
  std::vector<RangeNumbers> ranges(int corrector, int region) const;
  RegionNumbers region(int corrector, int region) const;
  Estimate loss(int corrector) const;
  Estimate loss_gain(int corrector) const;

 private:
  FlavorResiduals residuals(int corrector, int first_cell) const;
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

FlavorResiduals Numbers::residuals(int corrector, int first_cell) const {
  FlavorResiduals result;
  for (std::size_t i = 0; i < kFlavorPairs.size(); ++i) {
    const int first = first_cell + kFlavorPairs[i].first;
    const int second = first_cell + kFlavorPairs[i].second;
    result[i].first_jets = jets(first);
    result[i].second_jets = jets(second);
    result[i].difference = estimate(quartiles_, [=](const QuartileTable& t) {
      return t.at(first, corrector).q50 - t.at(second, corrector).q50;
    });
    result[i].too_few_jets = std::min(jets(first), jets(second)) < options_.min_jets;
  }
  return result;
}

BinNumbers Numbers::bin(int corrector, int region, int bin) const {
  const int all = bin_cell(region, bin, kAllFlavors);
  BinNumbers result;
  result.low = pt_edges()[bin];
  result.high = pt_edges()[bin + 1];
  result.center = std::sqrt(result.low * result.high);
  result.jets = jets(all);
  result.q25 = quartiles_.sample.at(all, corrector).q25;
  result.q75 = quartiles_.sample.at(all, corrector).q75;
  result.median = median(all, corrector);
  result.resolution = resolution(all, corrector);
  result.resolution_ratio = estimate(quartiles_, [=](const QuartileTable& t) {
    return t.at(all, corrector).resolution() / t.at(all, kBaseline).resolution();
  });
  result.residuals = residuals(corrector, bin_cell(region, bin, 0));
  result.too_few_jets = result.jets < options_.min_jets;
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
  result.residuals = residuals(corrector, range_cell(region, range, 0));
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

RegionNumbers Numbers::region(int corrector, int region) const {
  return {bins(corrector, region), ranges(corrector, region),
          response_distributions(sample_, corrector, region),
          pileup_dependences(sample_, quartiles_, corrector, region, options_.min_jets)};
}

Estimate Numbers::loss(int corrector) const {
  return estimate(quartiles_, [=](const QuartileTable& t) { return t.loss(corrector); });
}

Estimate Numbers::loss_gain(int corrector) const {
  return estimate(quartiles_, [=](const QuartileTable& t) {
    return gain(t.loss(corrector), t.loss(kBaseline));
  });
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
  result.spectrum = spectrum(used);
  for (int region = 0; region < static_cast<int>(kRegions.size()); ++region)
    result.targets[region] = target_distribution(used, region);
  const Numbers numbers(used, options, result.reco_threshold);
  for (int k = 0; k < used.num_correctors(); ++k) {
    CorrectorNumbers corrector;
    corrector.name = used.names[k];
    corrector.loss = numbers.loss(k);
    corrector.loss_gain = numbers.loss_gain(k);
    for (int region = 0; region < static_cast<int>(kRegions.size()); ++region)
      corrector.regions[region] = numbers.region(k, region);
    corrector.both_regions = numbers.ranges(k, kBothRegions);
    result.correctors.push_back(std::move(corrector));
  }
  return result;
}

}  // namespace jetcal::analysis
