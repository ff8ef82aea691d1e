// SPDX-License-Identifier: Apache-2.0
#include "jetcal/analysis/detail/flavor_figures.h"

#include <fmt/format.h>

#include "jetcal/analysis/detail/figure_parts.h"

namespace jetcal::analysis::detail {

namespace {

constexpr const char* kSection = "Flavor dependence";

Panel flavor_panel(const Analysis& analysis, int region, int range) {
  std::vector<std::string> flavors;
  flavors.reserve(edm::kFlavors.size());
  for (const edm::Flavor flavor : edm::kFlavors) flavors.emplace_back(flavor_name(flavor));
  Panel panel = category_panel(analysis, region, kMedianTitle, flavors,
                               [&](const RegionNumbers& numbers, int flavor) {
                                 const RangeNumbers& in_range = numbers.ranges[range];
                                 return in_range.flavor_jets[flavor] < analysis.options.min_jets
                                            ? not_drawn()
                                            : in_range.flavor_medians[flavor];
                               });
  panel.x_title = "Jet flavor";
  panel.reference = 1.0;
  return panel;
}

Figure flavor_figure(const Analysis& analysis, int region) {
  Panel panel = flavor_panel(analysis, region, kWholeRange);
  panel.notes = {region_note(region), range_note(kWholeRange)};
  note_bias(analysis, kWholeRange, panel);
  fit_panel(panel, PanelLayout::Single, 0, {0.98, 1.02});
  return {"flavor_" + std::string(kRegions[region].name),
          kSection,
          fmt::format("Median response by jet flavor, pt_gen > 30 GeV, {}", kRegions[region].name),
          PanelLayout::Single,
          {panel}};
}

Figure flavor_ranges_figure(const Analysis& analysis, int region) {
  Figure figure{"flavor_ranges_" + std::string(kRegions[region].name),
                kSection,
                fmt::format("Median response by jet flavor in four ranges of pt_gen, {}",
                            kRegions[region].name),
                PanelLayout::Grid,
                {}};
  for (std::size_t i = 0; i < 4; ++i) {
    const int range = static_cast<int>(i) + 1;
    Panel panel = flavor_panel(analysis, region, range);
    panel.notes = {range_note(range)};
    if (i == 0) panel.notes.insert(panel.notes.begin(), region_note(region));
    note_bias(analysis, range, panel);
    panel.legend = i == kLegendPanel;
    fit_panel(panel, PanelLayout::Grid, i, {0.98, 1.02});
    figure.panels.push_back(std::move(panel));
  }
  return figure;
}

Figure residual_figure(const Analysis& analysis, int region, std::size_t pair) {
  Panel panel =
      pt_panel(analysis, region, fmt::format("Median response, {}", kFlavorPairs[pair].title),
               [&](const BinNumbers& bin) {
                 const FlavorResidual& residual = bin.residuals[pair];
                 return residual.too_few_jets ? not_drawn() : residual.difference;
               });
  panel.notes = {region_note(region)};
  panel.reference = 0.0;
  fit_panel(panel, PanelLayout::Single, 0, {-0.02, 0.04});
  return {fmt::format("residual_{}_{}", kFlavorPairs[pair].stem, kRegions[region].name),
          kSection,
          fmt::format("Difference of the median responses, {}, against pt_gen, {}",
                      kFlavorPairs[pair].name, kRegions[region].name),
          PanelLayout::Single,
          {panel}};
}

Figure alpha_figure(const Analysis& analysis, int region) {
  std::vector<std::string> ranges;
  ranges.reserve(kPtRanges.size());
  for (int i = 0; i < static_cast<int>(kPtRanges.size()); ++i) ranges.push_back(range_category(i));
  Panel panel = category_panel(
      analysis, region, "#alpha = 1 #minus SAE / SAE_{" + analysis.correctors[0].name + "}", ranges,
      [](const RegionNumbers& numbers, int range) {
        return numbers.ranges[range].too_few_flavored ? not_drawn() : numbers.ranges[range].alpha;
      },
      1);
  panel.x_title = kPtTitle;
  panel.notes = {region_note(region)};
  panel.reference = 0.0;
  fit_panel(panel, PanelLayout::Single, 0, {-0.1, 0.6});
  return {"alpha_" + std::string(kRegions[region].name),
          kSection,
          fmt::format("alpha, the gain in flavor dependence, in ranges of pt_gen, {}",
                      kRegions[region].name),
          PanelLayout::Single,
          {panel}};
}

}  // namespace

std::vector<Figure> flavor_figures(const Analysis& analysis, int region) {
  std::vector<Figure> figures{flavor_figure(analysis, region),
                              flavor_ranges_figure(analysis, region)};
  for (std::size_t pair = 0; pair < kFlavorPairs.size(); ++pair)
    figures.push_back(residual_figure(analysis, region, pair));
  if (analysis.correctors.size() > 1) figures.push_back(alpha_figure(analysis, region));
  return figures;
}

}  // namespace jetcal::analysis::detail
