// SPDX-License-Identifier: Apache-2.0
#include "jetcal/analysis/cells.h"

#include <algorithm>
#include <cmath>

namespace jetcal::analysis {

namespace {

constexpr double kFirstEdge = 20, kLastEdge = 3000;

int flavor_group(edm::Flavor flavor) noexcept {
  const auto* const found = std::find(edm::kFlavors.begin(), edm::kFlavors.end(), flavor);
  if (found == edm::kFlavors.end()) return kAllFlavors;
  return kFirstFlavor + static_cast<int>(found - edm::kFlavors.begin());
}

bool is_light_quark(edm::Flavor flavor) noexcept {
  return flavor == edm::Flavor::U || flavor == edm::Flavor::D || flavor == edm::Flavor::S;
}

}  // namespace

int find_region(double eta_gen) noexcept {
  for (std::size_t i = 0; i < kRegions.size(); ++i) {
    if (std::abs(eta_gen) >= kRegions[i].low && std::abs(eta_gen) < kRegions[i].high) {
      return static_cast<int>(i);
    }
  }
  return -1;
}

const std::array<double, kNumPtBins + 1>& pt_edges() noexcept {
  static const auto edges = [] {
    std::array<double, kNumPtBins + 1> result{};
    for (int i = 0; i <= kNumPtBins; ++i) {
      result[i] =
          kFirstEdge * std::pow(kLastEdge / kFirstEdge, static_cast<double>(i) / kNumPtBins);
    }
    result.back() = kLastEdge;
    return result;
  }();
  return edges;
}

int find_pt_bin(double pt_gen) noexcept {
  const auto& edges = pt_edges();
  const auto* const above = std::upper_bound(edges.begin(), edges.end(), pt_gen);
  return static_cast<int>(above - edges.begin()) - 1;
}

std::vector<std::vector<std::uint32_t>> cell_rows(const ResponseSample& sample) {
  std::vector<std::vector<std::uint32_t>> rows(kNumCells);
  for (std::int64_t jet = 0; jet < sample.num_jets(); ++jet) {
    const auto row = static_cast<std::uint32_t>(jet);
    const int region = sample.region[jet];
    const int group = flavor_group(sample.flavor[jet]);
    const auto add = [&](int first_cell) {
      rows[first_cell + kAllFlavors].push_back(row);
      if (group != kAllFlavors) rows[first_cell + group].push_back(row);
      if (is_light_quark(sample.flavor[jet])) rows[first_cell + kLightQuarks].push_back(row);
    };
    const int bin = find_pt_bin(sample.pt_gen[jet]);
    if (bin >= 0 && bin < kNumPtBins) add(bin_cell(region, bin, 0));
    for (std::size_t range = 0; range < kPtRanges.size(); ++range) {
      if (sample.pt_gen[jet] < kPtRanges[range].low || sample.pt_gen[jet] >= kPtRanges[range].high)
        continue;
      add(range_cell(region, static_cast<int>(range), 0));
      add(range_cell(kBothRegions, static_cast<int>(range), 0));
      for (std::size_t variable = 0; variable < kPileupVariables.size(); ++variable) {
        if (sample.pileup[variable].empty()) continue;
        const int pileup_bin =
            find_pileup_bin(static_cast<int>(variable), sample.pileup[variable][jet]);
        if (pileup_bin < 0) continue;
        rows[pileup_cell(static_cast<int>(variable), region, static_cast<int>(range), pileup_bin)]
            .push_back(row);
      }
    }
  }
  return rows;
}

}  // namespace jetcal::analysis
