// SPDX-License-Identifier: Apache-2.0
#include "jetcal/analysis/figures.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

namespace jetcal::analysis {

namespace {

constexpr const char* kPtTitle = "#it{p}_{T}^{gen} [GeV]";
constexpr const char* kMedianTitle = "Median of #it{p}_{T}^{corr} / #it{p}_{T}^{gen}";
constexpr int kTableRange = 0;  // pt_gen > 30 GeV

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

// Moves markers of different correctors apart, in parts of the distance between two bins.
double shift(int corrector, int num_correctors, double step) {
  constexpr double kLargest = 0.36;
  if (num_correctors < 2) return 0;
  const double half = std::min(kLargest, 0.5 * step * (num_correctors - 1));
  return half * (2.0 * corrector / (num_correctors - 1) - 1);
}

// Height to leave free above the points for the legend, in parts of the axis.
double legend_head(const Analysis& analysis) {
  return 0.03 + 0.062 * static_cast<double>(std::max<std::size_t>(2, analysis.correctors.size()));
}

struct BinChoice {
  Estimate BinNumbers::*number;
  bool flavored;  // the number needs light quarks and gluons
};

bool drawable(const BinNumbers& bin, const BinChoice& choice) {
  return !(choice.flavored ? bin.too_few_flavored : bin.too_few_jets) &&
         std::isfinite((bin.*choice.number).value);
}

Series bin_series(const Analysis& analysis, int corrector, int region, const BinChoice& choice) {
  const CorrectorNumbers& numbers = analysis.correctors[corrector];
  Series series{numbers.name, corrector, {}};
  const double move = shift(corrector, static_cast<int>(analysis.correctors.size()), 0.12);
  for (const BinNumbers& bin : numbers.regions[region].bins) {
    if (!drawable(bin, choice)) continue;
    const Estimate& number = bin.*choice.number;
    series.points.push_back({bin.center * std::pow(bin.high / bin.low, move), bin.low, bin.high,
                             number.value, number.error});
  }
  return series;
}

// A panel against pt_gen, as wide as the bins that have jets.
Panel pt_panel(const Analysis& analysis, int region, const std::string& y_title,
               const BinChoice& choice) {
  Panel panel;
  panel.x_title = kPtTitle;
  panel.y_title = y_title;
  panel.log_x = true;
  panel.x_low = pt_edges().front();
  panel.x_high = pt_edges().back();
  for (int k = 0; k < static_cast<int>(analysis.correctors.size()); ++k) {
    panel.series.push_back(bin_series(analysis, k, region, choice));
  }
  if (analysis.reco_threshold > 0) panel.biased_below = kCutBiasedBelow;
  return panel;
}

Figure resolution_figure(const Analysis& analysis, int region) {
  Panel top = pt_panel(analysis, region, "Relative resolution  (R_{75} #minus R_{25}) / R_{50}",
                       {&BinNumbers::resolution, false});
  top.notes = {region_note(region)};
  fit_y_axis(top, 0.12, {0.0});
  top.y_low = 0;
  Panel ratio = pt_panel(analysis, region, "Ratio to " + analysis.correctors[0].name,
                         {&BinNumbers::resolution_ratio, false});
  ratio.reference = 1.0;
  ratio.legend = false;
  ratio.series.erase(ratio.series.begin());
  fit_y_axis(ratio, 0, {0.95, 1.03});
  return {"resolution_" + std::string(kRegions[region].name),
          "Relative resolution of the response against pt_gen, with its ratio to the baseline",
          PanelLayout::WithRatio,
          {top, ratio}};
}

Figure response_figure(const Analysis& analysis, int region) {
  Panel panel = pt_panel(analysis, region, kMedianTitle, {&BinNumbers::median, false});
  panel.notes = {region_note(region)};
  panel.reference = 1.0;
  fit_y_axis(panel, legend_head(analysis), {0.97, 1.03});
  return {"response_" + std::string(kRegions[region].name),
          "Median response against pt_gen",
          PanelLayout::Single,
          {panel}};
}

Figure residual_figure(const Analysis& analysis, int region) {
  Panel panel = pt_panel(analysis, region, "Median response, uds #minus g",
                         {&BinNumbers::light_minus_gluon, true});
  panel.notes = {region_note(region)};
  panel.reference = 0.0;
  fit_y_axis(panel, legend_head(analysis), {-0.02, 0.04});
  return {"residual_uds_g_" + std::string(kRegions[region].name),
          "Difference of the median responses of light quark and gluon jets against pt_gen",
          PanelLayout::Single,
          {panel}};
}

Figure flavor_figure(const Analysis& analysis, int region) {
  Panel panel;
  panel.x_title = "Jet flavor";
  panel.y_title = kMedianTitle;
  panel.x_high = static_cast<double>(edm::kFlavors.size());
  for (const edm::Flavor flavor : edm::kFlavors) panel.categories.emplace_back(flavor_name(flavor));
  const int correctors = static_cast<int>(analysis.correctors.size());
  for (int k = 0; k < correctors; ++k) {
    const RangeNumbers& numbers = analysis.correctors[k].regions[region].ranges[kTableRange];
    Series series{analysis.correctors[k].name, k, {}};
    for (std::size_t i = 0; i < edm::kFlavors.size(); ++i) {
      if (numbers.flavor_jets[i] < analysis.options.min_jets) continue;
      const double center = static_cast<double>(i) + 0.5;
      series.points.push_back({center + shift(k, correctors, 0.2), center - 0.5, center + 0.5,
                               numbers.flavor_medians[i].value, numbers.flavor_medians[i].error});
    }
    panel.series.push_back(std::move(series));
  }
  panel.reference = 1.0;
  panel.notes = {region_note(region), range_note(kTableRange)};
  fit_y_axis(panel, legend_head(analysis), {0.98, 1.02});
  return {"flavor_" + std::string(kRegions[region].name),
          "Median response by jet flavor, pt_gen > 30 GeV",
          PanelLayout::Single,
          {panel}};
}

Series density_series(const CorrectorNumbers& numbers, int style,
                      const Distribution& distribution) {
  Series series{numbers.name, style, {}};
  std::int64_t jets = distribution.underflow + distribution.overflow;
  for (const std::int64_t count : distribution.counts) jets += count;
  if (jets == 0) return series;
  for (std::size_t i = 0; i < distribution.counts.size(); ++i) {
    const double low = distribution.edges[i], high = distribution.edges[i + 1];
    const auto count = static_cast<double>(distribution.counts[i]);
    const double scale = 1 / (static_cast<double>(jets) * (high - low));
    series.points.push_back(
        {0.5 * (low + high), low, high, count * scale, std::sqrt(count) * scale});
  }
  return series;
}

// The panel with the legend has one line of notes; a wide legend must stay above the peak.
constexpr std::size_t kLegendPanel = 1;

double grid_legend_head(const Analysis& analysis) {
  std::size_t longest = 0;
  for (const CorrectorNumbers& numbers : analysis.correctors) {
    longest = std::max(longest, numbers.name.size());
  }
  const auto rows = static_cast<double>(analysis.correctors.size());
  return longest > 14 ? 0.03 + 0.09 * (rows + 1) : 0.15 + 0.03 * rows;
}

Figure distribution_figure(const Analysis& analysis, int region) {
  Figure figure{"distribution_" + std::string(kRegions[region].name),
                "Distributions of the response in four ranges of pt_gen, normalised to one",
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
      panel.series.push_back(
          density_series(numbers, static_cast<int>(k), numbers.regions[region].distributions[i]));
    }
    const Distribution& first = analysis.correctors[0].regions[region].distributions[i];
    panel.x_low = first.edges.front();
    panel.x_high = first.edges.back();
    panel.notes = {range_note(first.range)};
    panel.legend = i == kLegendPanel;
    if (i == 0) panel.notes.insert(panel.notes.begin(), region_note(region));
    fit_y_axis(panel, i == kLegendPanel ? grid_legend_head(analysis) : 0.15, {0.0});
    panel.y_low = 0;
    figure.panels.push_back(std::move(panel));
  }
  return figure;
}

}  // namespace

std::vector<Figure> make_figures(const Analysis& analysis) {
  std::vector<Figure> figures;
  for (int region = 0; region < static_cast<int>(kRegions.size()); ++region) {
    figures.push_back(resolution_figure(analysis, region));
    figures.push_back(response_figure(analysis, region));
    figures.push_back(flavor_figure(analysis, region));
    figures.push_back(distribution_figure(analysis, region));
    figures.push_back(residual_figure(analysis, region));
  }
  return figures;
}

}  // namespace jetcal::analysis
