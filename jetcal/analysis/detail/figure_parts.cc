// SPDX-License-Identifier: Apache-2.0
#include "jetcal/analysis/detail/figure_parts.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>

namespace jetcal::analysis::detail {

std::string region_note(int region) {
  const Region& r = kRegions[region];
  if (r.low == 0) return fmt::format("Barrel, |#eta^{{gen}}| < {:.1f}", r.high);
  return fmt::format("Endcap, {:.1f} < |#eta^{{gen}}| < {:.1f}", r.low, r.high);
}

std::string range_note(int range) {
  const PtRange& r = kPtRanges[range];
  if (std::isinf(r.high)) return fmt::format("#it{{p}}_{{T}}^{{gen}} > {:.0f} GeV", r.low);
  return fmt::format("{:.0f} <#kern[0.3]{{ }}#it{{p}}_{{T}}^{{gen}} < {:.0f} GeV", r.low, r.high);
}

std::string range_category(int range) {
  const PtRange& r = kPtRanges[range];
  if (std::isinf(r.high)) return fmt::format("> {:.0f}", r.low);
  return fmt::format("{:.0f}#minus{:.0f}", r.low, r.high);
}

void note_bias(const Analysis& analysis, int range, Panel& panel) {
  if (analysis.correctors[0].regions[0].ranges[range].cut_biased)
    panel.notes.emplace_back("biased below 50 GeV by reco #it{p}_{T} cut");
}

double shift(int corrector, int num_correctors, double step) {
  constexpr double kLargest = 0.36;
  if (num_correctors < 2) return 0;
  const double half = std::min(kLargest, 0.5 * step * (num_correctors - 1));
  return half * (2.0 * corrector / (num_correctors - 1) - 1);
}

void fit_panel(Panel& panel, PanelLayout layout, std::size_t index,
               std::initializer_list<double> include) {
  fit_y_axis(panel, head_of(panel, layout, index), include);
}

Panel pt_panel(const Analysis& analysis, int region, const std::string& y_title,
               const BinNumber& number) {
  Panel panel;
  panel.x_title = kPtTitle;
  panel.y_title = y_title;
  panel.log_x = true;
  panel.x_low = pt_edges().front();
  panel.x_high = pt_edges().back();
  const int correctors = static_cast<int>(analysis.correctors.size());
  for (int k = 0; k < correctors; ++k) {
    const CorrectorNumbers& numbers = analysis.correctors[k];
    Series series{numbers.name, k, {}};
    const double move = shift(k, correctors, 0.12);
    for (const BinNumbers& bin : numbers.regions[region].bins) {
      const Estimate drawn = number(bin);
      if (!std::isfinite(drawn.value)) continue;
      series.points.push_back({bin.center * std::pow(bin.high / bin.low, move), bin.low, bin.high,
                               drawn.value, drawn.error});
    }
    panel.series.push_back(std::move(series));
  }
  if (analysis.reco_threshold > 0) panel.biased_below = kCutBiasedBelow;
  return panel;
}

Panel category_panel(const Analysis& analysis, int region, const std::string& y_title,
                     const std::vector<std::string>& categories, const CategoryNumber& number,
                     int first) {
  Panel panel;
  panel.y_title = y_title;
  panel.x_high = static_cast<double>(categories.size());
  panel.categories = categories;
  const int correctors = static_cast<int>(analysis.correctors.size());
  for (int k = first; k < correctors; ++k) {
    const CorrectorNumbers& numbers = analysis.correctors[k];
    Series series{numbers.name, k, {}};
    for (int i = 0; i < static_cast<int>(categories.size()); ++i) {
      const Estimate drawn = number(numbers.regions[region], i);
      if (!std::isfinite(drawn.value)) continue;
      const double center = i + 0.5;
      series.points.push_back({center + shift(k - first, correctors - first, 0.2), center - 0.5,
                               center + 0.5, drawn.value, drawn.error});
    }
    panel.series.push_back(std::move(series));
  }
  return panel;
}

Estimate not_drawn() noexcept {
  constexpr double kNone = std::numeric_limits<double>::quiet_NaN();
  return {kNone, kNone};
}

}  // namespace jetcal::analysis::detail
