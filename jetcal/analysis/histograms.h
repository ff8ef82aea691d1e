// SPDX-License-Identifier: Apache-2.0
// Histograms of a sample: responses, the target of the regression, and the spectrum of the jets.
#pragma once

#include <cstdint>
#include <vector>

#include "jetcal/analysis/jet_sample.h"

namespace jetcal::analysis {

/// Counts values between edges; lower edges are inside.
struct Histogram {
  std::vector<double> edges;
  std::vector<std::int64_t> counts;
  std::int64_t underflow = 0, overflow = 0;

  void fill(double value) noexcept;
  /// Returns all entries, those outside of the edges too.
  std::int64_t entries() const noexcept;
};

/// Makes `bins` bins of equal width, or of equal ratio when `geometric`.
Histogram make_histogram(double low, double high, int bins, bool geometric = false);

/// The response in one range of pt_gen, one corrector, one region.
struct Distribution {
  int range = 0;  ///< Index into kPtRanges.
  Histogram histogram;
};

/// Counts jets in pt_gen and |eta_gen|.
struct Spectrum {
  std::vector<double> pt_edges;                   ///< 38 bins, geometric from 20 to 3000 GeV.
  std::vector<double> abs_eta_edges;              ///< 25 bins from 0 to 2.5.
  std::vector<std::vector<std::int64_t>> counts;  ///< [eta bin][pt bin]
  std::int64_t outside = 0;                       ///< Jets below or above all pt bins.
};

/// Fills the responses of a corrector in a region, for the ranges that do not overlap.
std::vector<Distribution> response_distributions(const ResponseSample& sample, int corrector,
                                                 int region);

/// Fills the target y = log(pt_gen / pt_reco) of the jets of a region, 80 bins from -1 to 1.
Histogram target_distribution(const ResponseSample& sample, int region);

/// Fills the spectrum of all used jets.
Spectrum spectrum(const ResponseSample& sample);

}  // namespace jetcal::analysis
