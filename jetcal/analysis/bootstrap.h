// SPDX-License-Identifier: Apache-2.0
// Quartiles of every cell and corrector, and losses, of the sample and of its resamplings.
#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <vector>

#include "jetcal/analysis/jet_sample.h"
#include "jetcal/analysis/quantiles.h"

namespace jetcal::analysis {

/// Holds the quartiles of the response for every cell (kNumCells) and corrector, and its loss.
class QuartileTable {
 public:
  explicit QuartileTable(int num_correctors);
  Quartiles& at(int cell, int corrector) noexcept;
  const Quartiles& at(int cell, int corrector) const noexcept;
  /// The mean over all jets of |log(response)| 1(|y| < 1).
  double& loss(int corrector) noexcept { return losses_[corrector]; }
  double loss(int corrector) const noexcept { return losses_[corrector]; }

 private:
  int num_correctors_;
  std::vector<double> losses_;
  std::vector<Quartiles> values_;
};

struct BootstrapOptions {
  int resamplings = 200;
  std::uint64_t seed = 1;
  /// Called with the number done of resamplings times correctors, by one thread at a time. May be
  /// empty.
  std::function<void(std::int64_t)> on_progress;
};

/// Holds the sample's quartiles and those of its resamplings.
struct BootstrappedQuartiles {
  QuartileTable sample;
  std::vector<QuartileTable> resamplings;
};

/// Computes both. A resampling draws as many jets as there are, with replacement, once for all
/// cells and correctors, so that errors of differences and ratios are those of paired numbers. The
/// result depends on the seed only, not on the number of threads.
///
/// Memory: 4 bytes for each cell that a jet is in (up to 21 cells), plus 2 bytes per jet and
/// thread, whatever the number of correctors: they are taken one after the other.
///
/// Throws Cancelled after a stop signal, InvalidArgument for a negative number of resamplings.
BootstrappedQuartiles bootstrap(const ResponseSample& sample, const BootstrapOptions& options);

/// Holds a number and its standard error; NaN where it cannot be had.
struct Estimate {
  double value, error;
};

/// Applies `number` to the sample's quartiles for the value, and to those of the resamplings for
/// its error: their standard deviation. Resamplings that give NaN (an empty cell) are left out.
Estimate estimate(const BootstrappedQuartiles& quartiles,
                  const std::function<double(const QuartileTable&)>& number);

}  // namespace jetcal::analysis
