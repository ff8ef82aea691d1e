// SPDX-License-Identifier: Apache-2.0
// Quartiles of every cell and corrector, of the sample and of its bootstrap resamplings.
#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <vector>

#include "jetcal/analysis/jet_sample.h"
#include "jetcal/analysis/quantiles.h"

namespace jetcal::analysis {

/// Holds the quartiles of the response for every cell (kNumCells) and corrector.
class QuartileTable {
 public:
  explicit QuartileTable(int num_correctors);
  Quartiles& at(int cell, int corrector) noexcept;
  const Quartiles& at(int cell, int corrector) const noexcept;

 private:
  int num_correctors_;
  std::vector<Quartiles> values_;
};

struct BootstrapOptions {
  int resamplings = 200;
  std::uint64_t seed = 1;
  std::function<void(std::int64_t)> on_progress;  ///< Called with the number done, by one thread at
                                                  ///< a time. May be empty.
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
