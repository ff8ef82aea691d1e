// SPDX-License-Identifier: Apache-2.0
// The measures of pileup that the response is looked at against, and their bins.
#pragma once

#include <array>
#include <string_view>

namespace jetcal::analysis {

/// Names one measure of pileup; its bins are kNumPileupBins of `width` from 0.
struct PileupVariable {
  std::string_view name;   ///< As in the shards and the report.
  std::string_view title;  ///< For figures, in ROOT's TLatex, with the unit.
  std::string_view unit;   ///< Of a slope: response per ...
  double width;
};
inline constexpr std::array<PileupVariable, 3> kPileupVariables{
    {{"num_vertices", "Number of reconstructed vertices", "vertex", 4},
     {"num_pileup", "True number of pileup interactions", "interaction", 4},
     {"rho", "#it{#rho} [GeV]", "GeV", 3}}};
inline constexpr int kNumPileupBins = 20;

/// Returns the bin of a value, lower edge inside; -1 for NaN and for values outside of all bins.
constexpr int find_pileup_bin(int variable, double value) noexcept {
  const double width = kPileupVariables[variable].width;
  if (!(value >= 0) || value >= kNumPileupBins * width) return -1;
  return static_cast<int>(value / width);
}

}  // namespace jetcal::analysis
