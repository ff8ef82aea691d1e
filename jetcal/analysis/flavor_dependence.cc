// SPDX-License-Identifier: Apache-2.0
#include "jetcal/analysis/flavor_dependence.h"

#include <cmath>
#include <numeric>

namespace jetcal::analysis {

double sum_of_absolute_errors(const std::array<double, 6>& medians) noexcept {
  const double mean =
      std::accumulate(medians.begin(), medians.end(), 0.0) / static_cast<double>(medians.size());
  double sum = 0;
  for (const double median : medians) sum += std::abs(median - mean);
  return sum;
}

}  // namespace jetcal::analysis
