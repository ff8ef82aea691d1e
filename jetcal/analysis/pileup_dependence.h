// SPDX-License-Identifier: Apache-2.0
// The median response against the amount of pileup, and its slope.
#pragma once

#include <cstdint>
#include <vector>

#include "jetcal/analysis/bootstrap.h"
#include "jetcal/analysis/jet_sample.h"

namespace jetcal::analysis {

/// One bin of a pileup variable.
struct PileupBin {
  double low = 0, high = 0;
  double mean = 0;  ///< Of the variable, over the jets of the bin.
  std::int64_t jets = 0;
  Estimate median;
  bool too_few_jets = false;
};

/// One pileup variable, one range of pt_gen, one corrector, one region.
struct PileupDependence {
  int variable = 0;             ///< Index into kPileupVariables.
  int range = 0;                ///< Index into kPtRanges.
  std::vector<PileupBin> bins;  ///< Those with jets.
  int fitted_bins = 0;          ///< Bins with enough jets.
  /// Response per unit of the variable: straight line through the medians of the fitted bins at
  /// their mean values, weighted by their numbers of jets. NaN with fewer than two bins.
  Estimate slope;
};

/// Returns the slope of the line with the least sum of weight (y - a - slope x)^2; NaN when all x
/// are the same or there are fewer than two points.
double weighted_slope(const std::vector<double>& x, const std::vector<double>& y,
                      const std::vector<double>& weight) noexcept;

/// Computes the dependences on every variable that the sample has, for every range. Bins with fewer
/// than `min_jets` jets are flagged and not fitted.
std::vector<PileupDependence> pileup_dependences(const ResponseSample& sample,
                                                 const BootstrappedQuartiles& quartiles,
                                                 int corrector, int region, int min_jets);

}  // namespace jetcal::analysis
