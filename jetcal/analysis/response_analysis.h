// SPDX-License-Identifier: Apache-2.0
// The numbers behind every figure and table, from arrays of jets.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "jetcal/analysis/bootstrap.h"
#include "jetcal/analysis/cells.h"
#include "jetcal/analysis/flavor_dependence.h"
#include "jetcal/analysis/histograms.h"
#include "jetcal/analysis/jet_sample.h"
#include "jetcal/analysis/pileup_dependence.h"

namespace jetcal::analysis {

struct AnalysisOptions {
  int resamplings = 200;
  std::uint64_t seed = 1;
  int min_jets = 30;  ///< Bins and flavors with fewer jets are flagged and not drawn.
  /// Threshold on pt_reco of the sample in GeV, 0 for none. Not given: the smallest pt_reco counts
  /// as one when it is at least 15 GeV (gen jets from 20 GeV would reach lower).
  std::optional<double> reco_threshold;
  std::function<void(std::int64_t)> on_progress;  ///< Resamplings times correctors done.
};

/// Difference of the median responses of two flavor groups.
struct FlavorResidual {
  std::int64_t first_jets = 0, second_jets = 0;
  Estimate difference;
  bool too_few_jets = false;  ///< In either group.
};
using FlavorResiduals = std::array<FlavorResidual, kFlavorPairs.size()>;

/// One bin of pt_gen, one corrector, one region.
struct BinNumbers {
  double low = 0, high = 0;
  double center = 0;  ///< Geometric mean of the edges.
  double mean_pt_gen = 0;
  std::int64_t jets = 0;
  Estimate median, resolution;
  Estimate resolution_ratio;  ///< s(model) / s(baseline)
  FlavorResiduals residuals;  ///< In the order of kFlavorPairs.
  double q25 = 0, q75 = 0;
  bool too_few_jets = false;
  bool cut_biased = false;  ///< Below 50 GeV in a sample with a threshold on pt_reco.
};

/// One range of pt_gen, one corrector, one region.
struct RangeNumbers {
  int range = 0;  ///< Index into kPtRanges.
  std::int64_t jets = 0;
  Estimate median, resolution;
  std::array<std::int64_t, 6> flavor_jets{};  ///< In the order of edm::kFlavors.
  std::array<Estimate, 6> flavor_medians{};
  FlavorResiduals residuals;  ///< In the order of kFlavorPairs.
  Estimate sae;               ///< Sum over the flavors of |median - mean of the medians|.
  Estimate alpha, beta;       ///< Gains over the baseline; 0 for the baseline itself.
  bool too_few_jets = false;
  bool too_few_flavored = false;  ///< A flavor has fewer than min_jets.
  bool cut_biased = false;        ///< Starts below 50 GeV in a sample with a threshold on pt_reco.
};

struct RegionNumbers {
  std::vector<BinNumbers> bins;
  std::vector<RangeNumbers> ranges;
  std::vector<Distribution> distributions;  ///< For the ranges that do not overlap.
  std::vector<PileupDependence> pileup;     ///< Variables that the sample has, times ranges.
};

struct CorrectorNumbers {
  std::string name;
  Estimate loss;       ///< Mean of |log(pt_gen / pt_corr)| 1(|y| < 1) over all used jets.
  Estimate loss_gain;  ///< 1 - loss / loss of the baseline.
  std::array<RegionNumbers, kRegions.size()> regions;
  std::vector<RangeNumbers> both_regions;  ///< |eta_gen| < 2.5 together, in every range.
};

struct Analysis {
  AnalysisOptions options;
  double reco_threshold = 0;  ///< As given or found, 0 for none.
  JetCounts counts;
  Spectrum spectrum;
  std::array<Histogram, kRegions.size()> targets;
  std::vector<CorrectorNumbers> correctors;  ///< The first is the baseline.
};

/// Computes everything. Throws as select_jets and bootstrap do.
Analysis analyze(const JetSample& sample, const AnalysisOptions& options);

}  // namespace jetcal::analysis
