// SPDX-License-Identifier: Apache-2.0
// Where the numbers are taken: regions, bins and ranges of pt_gen, flavor groups, pileup bins.
#pragma once

#include <array>
#include <cstdint>
#include <limits>
#include <string_view>
#include <vector>

#include "jetcal/analysis/jet_sample.h"
#include "jetcal/analysis/pileup.h"

namespace jetcal::analysis {

/// Spans low <= |eta_gen| < high.
struct Region {
  std::string_view name;
  double low, high;
};
inline constexpr std::array<Region, 2> kRegions{{{"barrel", 0.0, 1.3}, {"endcap", 1.3, 2.5}}};

/// Returns the index of the region, or -1 outside of all.
int find_region(double eta_gen) noexcept;

/// Spans low <= pt_gen < high, GeV.
struct PtRange {
  std::string_view name;
  double low, high;
};
inline constexpr std::array<PtRange, 5> kPtRanges{
    {{"> 30", 30, std::numeric_limits<double>::infinity()},
     {"30-100", 30, 100},
     {"100-300", 100, 300},
     {"300-1000", 300, 1000},
     {"> 1000", 1000, std::numeric_limits<double>::infinity()}}};

inline constexpr int kNumPtBins = 19;
/// Below this pt_gen a threshold on pt_reco biases the response.
inline constexpr double kCutBiasedBelow = 50;

/// Returns the 20 edges of the bins, geometric from 20 to 3000 GeV.
const std::array<double, kNumPtBins + 1>& pt_edges() noexcept;

/// Returns the bin of pt_gen, -1 below all and kNumPtBins above all.
int find_pt_bin(double pt_gen) noexcept;

/// Groups jets by flavor: all jets (undefined ones too), each flavor of edm::kFlavors in its order,
/// and u, d and s together.
inline constexpr int kAllFlavors = 0;
inline constexpr int kFirstFlavor = 1;
inline constexpr int kGluons = 6;
inline constexpr int kLightQuarks = 7;
inline constexpr int kNumGroups = 8;

/// Numbers the cells: every region times (bins, then ranges) times group; then every pileup
/// variable times region times range times pileup bin; then, for kBothRegions, ranges times group.
inline constexpr int kNumRegions = static_cast<int>(kRegions.size());
inline constexpr int kNumRanges = static_cast<int>(kPtRanges.size());
inline constexpr int kBothRegions = kNumRegions;
inline constexpr int kNumSlots = kNumPtBins + kNumRanges;
inline constexpr int kNumFlavorCells = kNumRegions * kNumSlots * kNumGroups;
inline constexpr int kNumPileupCells =
    static_cast<int>(kPileupVariables.size()) * kNumRegions * kNumRanges * kNumPileupBins;
inline constexpr int kNumCells = kNumFlavorCells + kNumPileupCells + kNumRanges * kNumGroups;
constexpr int bin_cell(int region, int bin, int group) noexcept {
  return (region * kNumSlots + bin) * kNumGroups + group;
}
/// `region` may be kBothRegions.
constexpr int range_cell(int region, int range, int group) noexcept {
  if (region == kBothRegions) return kNumFlavorCells + kNumPileupCells + range * kNumGroups + group;
  return (region * kNumSlots + kNumPtBins + range) * kNumGroups + group;
}
constexpr int pileup_cell(int variable, int region, int range, int bin) noexcept {
  return kNumFlavorCells +
         ((variable * kNumRegions + region) * kNumRanges + range) * kNumPileupBins + bin;
}

/// Lists the rows of the jets in each cell; a jet is in several.
std::vector<std::vector<std::uint32_t>> cell_rows(const ResponseSample& sample);

}  // namespace jetcal::analysis
