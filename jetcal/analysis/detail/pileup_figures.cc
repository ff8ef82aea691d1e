// SPDX-License-Identifier: Apache-2.0
#include "jetcal/analysis/detail/pileup_figures.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "jetcal/analysis/detail/figure_parts.h"

namespace jetcal::analysis::detail {

namespace {

constexpr const char* kSection = "Pileup";

// Markers sit at the mean of their bin, moved apart by a part of its width.
Series pileup_series(const CorrectorNumbers& numbers, int corrector, int num_correctors, int region,
                     std::size_t index) {
  const PileupDependence& dependence = numbers.regions[region].pileup[index];
  const double move =
      kPileupVariables[dependence.variable].width * shift(corrector, num_correctors, 0.1);
  Series series{numbers.name, corrector, {}};
  for (const PileupBin& bin : dependence.bins) {
    if (bin.too_few_jets) continue;
    series.points.push_back(
        {bin.mean + move, bin.low, bin.high, bin.median.value, bin.median.error});
  }
  return series;
}

void fit_x_axis(Panel& panel) {
  double low = std::numeric_limits<double>::infinity(), high = -low;
  for (const Series& series : panel.series) {
    for (const Point& point : series.points) {
      low = std::min(low, point.x_low);
      high = std::max(high, point.x_high);
    }
  }
  if (low >= high) return;
  panel.x_low = low;
  panel.x_high = high;
}

// `first`: index of the variable's dependence in the first range.
Figure dependence_figure(const Analysis& analysis, int region, std::size_t first) {
  const PileupVariable& variable =
      kPileupVariables[analysis.correctors[0].regions[region].pileup[first].variable];
  Figure figure{fmt::format("pileup_{}_{}", variable.name, kRegions[region].name),
                kSection,
                fmt::format("Median response against {} in four ranges of pt_gen, {}",
                            variable.name, kRegions[region].name),
                PanelLayout::Grid,
                {}};
  const int correctors = static_cast<int>(analysis.correctors.size());
  for (std::size_t i = 0; i + 1 < kPtRanges.size(); ++i) {
    const int range = static_cast<int>(i) + 1;
    Panel panel;
    panel.x_title = variable.title;
    panel.y_title = kMedianTitle;
    panel.x_high = kNumPileupBins * variable.width;
    for (int k = 0; k < correctors; ++k) {
      panel.series.push_back(
          pileup_series(analysis.correctors[k], k, correctors, region, first + range));
    }
    panel.notes = {range_note(range)};
    if (i == 0) panel.notes.insert(panel.notes.begin(), region_note(region));
    note_bias(analysis, range, panel);
    panel.reference = 1.0;
    panel.legend = i == kLegendPanel;
    fit_x_axis(panel);
    fit_panel(panel, PanelLayout::Grid, i, {0.98, 1.02});
    figure.panels.push_back(std::move(panel));
  }
  return figure;
}

Figure slope_figure(const Analysis& analysis, int region, std::size_t first) {
  const PileupVariable& variable =
      kPileupVariables[analysis.correctors[0].regions[region].pileup[first].variable];
  std::vector<std::string> ranges;
  ranges.reserve(kNumRanges);
  for (int i = 0; i < kNumRanges; ++i) ranges.push_back(range_category(i));
  Panel panel = category_panel(analysis, region,
                               fmt::format("Slope of the median response [% / {}]", variable.unit),
                               ranges, [first](const RegionNumbers& numbers, int range) {
                                 const Estimate& slope = numbers.pileup[first + range].slope;
                                 return Estimate{100 * slope.value, 100 * slope.error};
                               });
  panel.x_title = kPtTitle;
  panel.notes = {region_note(region)};
  note_bias(analysis, kWholeRange, panel);
  panel.reference = 0.0;
  fit_panel(panel, PanelLayout::Single, 0, {-0.05, 0.05});
  return {fmt::format("slope_{}_{}", variable.name, kRegions[region].name),
          kSection,
          fmt::format("Slope of the median response against {} in ranges of pt_gen, {}",
                      variable.name, kRegions[region].name),
          PanelLayout::Single,
          {panel}};
}

}  // namespace

std::vector<Figure> pileup_figures(const Analysis& analysis, int region) {
  std::vector<Figure> figures;
  const std::size_t count = analysis.correctors[0].regions[region].pileup.size();
  for (std::size_t first = 0; first < count; first += kPtRanges.size()) {
    figures.push_back(dependence_figure(analysis, region, first));
    figures.push_back(slope_figure(analysis, region, first));
  }
  return figures;
}

}  // namespace jetcal::analysis::detail
