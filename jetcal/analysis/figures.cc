// SPDX-License-Identifier: Apache-2.0
#include "jetcal/analysis/figures.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <iterator>

#include "jetcal/analysis/detail/figure_parts.h"
#include "jetcal/analysis/detail/flavor_figures.h"
#include "jetcal/analysis/detail/pileup_figures.h"

namespace jetcal::analysis {

namespace {

using detail::fit_panel;
using detail::not_drawn;
using detail::pt_panel;
using detail::range_note;
using detail::region_note;

std::string region_name(int region) { return std::string(kRegions[region].name); }

Figure resolution_figure(const Analysis& analysis, int region) {
  constexpr PanelLayout kLayout = PanelLayout::WithRatio;
  Panel top = pt_panel(
      analysis, region, "Relative resolution  (R_{75} #minus R_{25}) / R_{50}",
      [](const BinNumbers& bin) { return bin.too_few_jets ? not_drawn() : bin.resolution; });
  top.notes = {region_note(region)};
  fit_panel(top, kLayout, 0, {0.0});
  top.y_low = 0;
  Panel ratio = pt_panel(
      analysis, region, "Ratio to " + analysis.correctors[0].name,
      [](const BinNumbers& bin) { return bin.too_few_jets ? not_drawn() : bin.resolution_ratio; });
  ratio.reference = 1.0;
  ratio.legend = false;
  ratio.series.erase(ratio.series.begin());
  fit_y_axis(ratio, 0, {0.95, 1.03});
  return {"resolution_" + region_name(region),
          "Resolution",
          "Relative resolution of the response against pt_gen, with its ratio to the baseline, " +
              region_name(region),
          kLayout,
          {top, ratio}};
}

Figure beta_figure(const Analysis& analysis, int region) {
  std::vector<std::string> ranges;
  ranges.reserve(kPtRanges.size());
  for (int i = 0; i < static_cast<int>(kPtRanges.size()); ++i)
    ranges.push_back(detail::range_category(i));
  Panel panel = detail::category_panel(
      analysis, region, "#beta = 1 #minus s / s_{" + analysis.correctors[0].name + "}", ranges,
      [](const RegionNumbers& numbers, int range) {
        return numbers.ranges[range].too_few_jets ? not_drawn() : numbers.ranges[range].beta;
      },
      1);
  panel.x_title = detail::kPtTitle;
  panel.notes = {region_note(region)};
  panel.reference = 0.0;
  fit_panel(panel, PanelLayout::Single, 0, {-0.02, 0.1});
  return {"beta_" + region_name(region),
          "Resolution",
          "beta, the gain in relative resolution, in ranges of pt_gen, " + region_name(region),
          PanelLayout::Single,
          {panel}};
}

Figure response_figure(const Analysis& analysis, int region) {
  Panel panel = pt_panel(analysis, region, detail::kMedianTitle, [](const BinNumbers& bin) {
    return bin.too_few_jets ? not_drawn() : bin.median;
  });
  panel.notes = {region_note(region)};
  panel.reference = 1.0;
  fit_panel(panel, PanelLayout::Single, 0, {0.97, 1.03});
  return {"response_" + region_name(region),
          "Response",
          "Median response against pt_gen, " + region_name(region),
          PanelLayout::Single,
          {panel}};
}

Series density_series(const std::string& label, int style, const Histogram& histogram) {
  Series series{label, style, {}};
  const std::int64_t jets = histogram.entries();
  if (jets == 0) return series;
  for (std::size_t i = 0; i < histogram.counts.size(); ++i) {
    const double low = histogram.edges[i], high = histogram.edges[i + 1];
    const auto count = static_cast<double>(histogram.counts[i]);
    const double scale = 1 / (static_cast<double>(jets) * (high - low));
    series.points.push_back(
        {0.5 * (low + high), low, high, count * scale, std::sqrt(count) * scale});
  }
  return series;
}

Figure distribution_figure(const Analysis& analysis, int region) {
  Figure figure{"distribution_" + region_name(region),
                "Response",
                "Distributions of the response in four ranges of pt_gen, normalised to one, " +
                    region_name(region),
                PanelLayout::Grid,
                {}};
  const std::size_t panels = analysis.correctors[0].regions[region].distributions.size();
  for (std::size_t i = 0; i < panels; ++i) {
    Panel panel;
    panel.x_title = "#it{p}_{T}^{corr} / #it{p}_{T}^{gen}";
    panel.y_title = "Jets, normalised to unit area";
    panel.draw_as = DrawAs::Steps;
    for (std::size_t k = 0; k < analysis.correctors.size(); ++k) {
      const CorrectorNumbers& numbers = analysis.correctors[k];
      panel.series.push_back(density_series(numbers.name, static_cast<int>(k),
                                            numbers.regions[region].distributions[i].histogram));
    }
    const Distribution& first = analysis.correctors[0].regions[region].distributions[i];
    panel.x_low = first.histogram.edges.front();
    panel.x_high = first.histogram.edges.back();
    panel.notes = {range_note(first.range)};
    if (i == 0) panel.notes.insert(panel.notes.begin(), region_note(region));
    detail::note_bias(analysis, first.range, panel);
    panel.legend = i == detail::kLegendPanel;
    fit_panel(panel, PanelLayout::Grid, i, {0.0});
    panel.y_low = 0;
    figure.panels.push_back(std::move(panel));
  }
  return figure;
}

Figure spectrum_figure(const Analysis& analysis) {
  const Spectrum& spectrum = analysis.spectrum;
  HeatMap map{spectrum.pt_edges, spectrum.abs_eta_edges, {}, "Jets"};
  for (const std::vector<std::int64_t>& row : spectrum.counts)
    map.values.emplace_back(row.begin(), row.end());
  Panel panel;
  panel.x_title = detail::kPtTitle;
  panel.y_title = "|#eta^{gen}|";
  panel.log_x = true;
  panel.x_low = spectrum.pt_edges.front();
  panel.x_high = spectrum.pt_edges.back();
  panel.y_low = spectrum.abs_eta_edges.front();
  panel.y_high = spectrum.abs_eta_edges.back();
  panel.heat_map = std::move(map);
  return {"spectrum",
          "Sample",
          "Numbers of jets in pt_gen and |eta_gen|",
          PanelLayout::WithColorScale,
          {panel}};
}

Figure target_figure(const Analysis& analysis) {
  Panel panel;
  panel.x_title = "#it{y} = log(#it{p}_{T}^{gen} / #it{p}_{T}^{reco})";
  panel.y_title = "Jets, normalised to unit area";
  panel.draw_as = DrawAs::Steps;
  panel.x_low = analysis.targets[0].edges.front();
  panel.x_high = analysis.targets[0].edges.back();
  for (std::size_t i = 0; i < kRegions.size(); ++i) {
    panel.series.push_back(
        density_series(region_note(static_cast<int>(i)), static_cast<int>(i), analysis.targets[i]));
  }
  fit_panel(panel, PanelLayout::Single, 0, {0.0});
  panel.y_low = 0;
  return {"target",
          "Sample",
          "Distribution of the target of the regression, normalised to one",
          PanelLayout::Single,
          {panel}};
}

}  // namespace

std::vector<Figure> make_figures(const Analysis& analysis) {
  std::vector<Figure> figures;
  const auto add = [&](std::vector<Figure> more) {
    std::move(more.begin(), more.end(), std::back_inserter(figures));
  };
  for (int region = 0; region < kNumRegions; ++region)
    figures.push_back(resolution_figure(analysis, region));
  for (int region = 0; region < kNumRegions && analysis.correctors.size() > 1; ++region)
    figures.push_back(beta_figure(analysis, region));
  for (int region = 0; region < kNumRegions; ++region) {
    figures.push_back(response_figure(analysis, region));
    figures.push_back(distribution_figure(analysis, region));
  }
  for (int region = 0; region < kNumRegions; ++region)
    add(detail::flavor_figures(analysis, region));
  for (int region = 0; region < kNumRegions; ++region)
    add(detail::pileup_figures(analysis, region));
  figures.push_back(spectrum_figure(analysis));
  figures.push_back(target_figure(analysis));
  return figures;
}

}  // namespace jetcal::analysis
