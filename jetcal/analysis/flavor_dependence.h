// SPDX-License-Identifier: Apache-2.0
// How much the median response depends on flavor, and what a model gains over the baseline.
#pragma once

#include <array>
#include <string_view>

#include "jetcal/analysis/cells.h"

namespace jetcal::analysis {

/// Returns the sum over the six flavors of |median - mean of the six medians|. NaN when one is.
double sum_of_absolute_errors(const std::array<double, 6>& medians) noexcept;

/// Names a difference of the median responses of two flavor groups (see cells.h).
struct FlavorPair {
  std::string_view name;   ///< In the report.
  std::string_view stem;   ///< In file names.
  std::string_view title;  ///< In figures, TLatex.
  int first, second;
};
inline constexpr std::array<FlavorPair, 4> kFlavorPairs{
    {{"uds-g", "uds_g", "uds #minus g", kLightQuarks, kGluons},
     {"c-g", "c_g", "c #minus g", kFirstFlavor + 3, kGluons},
     {"b-g", "b_g", "b #minus g", kFirstFlavor + 4, kGluons},
     {"u-d", "u_d", "u #minus d", kFirstFlavor, kFirstFlavor + 1}}};

/// Returns 1 - model / baseline: alpha for the sum of absolute errors, beta for the relative
/// resolution. 0 is no gain, 1 a perfect model, negative a loss.
inline double gain(double model, double baseline) noexcept { return 1 - model / baseline; }

}  // namespace jetcal::analysis
