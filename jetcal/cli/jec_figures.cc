// SPDX-License-Identifier: Apache-2.0
#include "jetcal/cli/jec_figures.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <functional>
#include <utility>

namespace jetcal::cli {
namespace {

using analysis::Figure;
using analysis::Panel;
using analysis::PanelLayout;

constexpr const char* kSection = "Closure";
constexpr const char* kMedianTitle = "Median of #it{p}_{T}^{corr} / #it{p}_{T}^{gen}";
constexpr const char* kPtTitle = "#it{p}_{T}^{gen} [GeV]";
constexpr const char* kEtaTitle = "#eta^{gen}";
constexpr double kPtLow = 15, kPtHigh = 3000;
constexpr double kLegendLine = 0.06;  // of the height of a panel

std::string range_label(jec::Range range, const char* quantity, int digits) {
  // The kern keeps what follows the sign off it.
  return fmt::format("{:.{}f} <#kern[0.3]{{ }}{} < {:.{}f}", range.low, digits, quantity,
                     range.high, digits);
}

std::string pt_label(jec::Range range) {
  return range_label(range, "#it{p}_{T}^{gen}", 0) + " GeV";
}

std::string region_label(const jec::ClosureSeries& series) {
  if (series.region == "barrel") return "Barrel, |#eta^{gen}| < 1.3";
  if (series.region == "endcap") return "Endcap, 1.3 < |#eta^{gen}| < 2.5";
  return range_label(series.abs_eta, "|#eta^{gen}|", 1);
}

analysis::Series drawn(const jec::ClosureSeries& series, std::string label, int style) {
  analysis::Series points{std::move(label), style, {}};
  for (const jec::ClosureBin& bin : series.bins) {
    if (std::isfinite(bin.median))
      points.points.push_back({bin.center, bin.low, bin.high, bin.median, bin.error});
  }
  return points;
}

Panel closure_panel(const char* x_title, double x_low, double x_high) {
  Panel panel;
  panel.x_title = x_title;
  panel.y_title = kMedianTitle;
  panel.x_low = x_low;
  panel.x_high = x_high;
  panel.reference = 1.0;
  return panel;
}

void close(Panel& panel) {
  std::erase_if(panel.series, [](const analysis::Series& series) { return series.points.empty(); });
  analysis::fit_y_axis(panel, 0.08 + kLegendLine * static_cast<double>(panel.series.size()),
                       {0.98, 1.02});
}

Figure figure(std::string name, std::string caption, PanelLayout layout,
              std::vector<Panel> panels) {
  Figure figure;
  figure.name = std::move(name);
  figure.section = kSection;
  figure.caption = std::move(caption);
  figure.layout = layout;
  figure.panels = std::move(panels);
  return figure;
}

Figure pt_figure(const std::vector<jec::ClosureSeries>& list, const char* name,
                 const std::function<bool(const jec::ClosureSeries&)>& chosen) {
  Panel panel = closure_panel(kPtTitle, kPtLow, kPtHigh);
  panel.log_x = true;
  int style = 0;
  for (const jec::ClosureSeries& series : list) {
    if (chosen(series)) panel.series.push_back(drawn(series, region_label(series), style++));
  }
  close(panel);
  return figure(name, "Median response after all corrections against pt_gen", PanelLayout::Single,
                {panel});
}

// Four panels; the lowest and the highest range share one with their neighbour.
Figure eta_figure(const std::vector<jec::ClosureSeries>& list) {
  std::vector<Panel> panels(4, closure_panel(kEtaTitle, -5, 5));
  constexpr std::array<std::size_t, 6> kPanelOf{0, 0, 1, 2, 3, 3};
  for (std::size_t i = 0; i < list.size() && i < kPanelOf.size(); ++i) {
    Panel& panel = panels[kPanelOf[i]];
    panel.series.push_back(
        drawn(list[i], pt_label(list[i].pt_gen), static_cast<int>(panel.series.size())));
  }
  for (Panel& panel : panels) close(panel);
  return figure("closure_eta", "Median response after all corrections against eta_gen",
                PanelLayout::Grid, std::move(panels));
}

Figure slope_figure(const std::vector<jec::ClosureSlope>& list, const std::string& region,
                    const char* variable, const char* x_title) {
  Panel panel = closure_panel(x_title, 0, 1);
  for (const jec::ClosureSlope& slope : list) {
    if (slope.series.region != region) continue;
    const int style = static_cast<int>(panel.series.size());
    panel.series.push_back(drawn(slope.series, pt_label(slope.series.pt_gen), style));
    for (const jec::ClosureBin& bin : slope.series.bins)
      panel.x_high = std::max(panel.x_high, bin.center * 1.08);
    panel.notes = {region_label(slope.series)};
  }
  for (analysis::Series& series : panel.series) {
    for (analysis::Point& point : series.points)
      point.x_high = std::min(point.x_high, panel.x_high);
  }
  analysis::fit_y_axis(panel, 0.16 + kLegendLine * static_cast<double>(panel.series.size()),
                       {0.98, 1.02});
  return figure(
      fmt::format("closure_{}_{}", variable, region),
      fmt::format("Median response after all corrections against {}, {}", variable, region),
      PanelLayout::Single, {panel});
}

Figure offset_figure(const jec::Derivation& derivation) {
  Panel panel;
  panel.x_title = "|#eta|";
  panel.y_title = "Offset per area and per #rho at 15 GeV";
  panel.x_high = derivation.offset.back().abs_eta.high;
  panel.legend = false;
  analysis::Series series{"L1FastJet", 0, {}};
  for (const jec::OffsetFit& fit : derivation.offset) {
    series.points.push_back({0.5 * (fit.abs_eta.low + fit.abs_eta.high), fit.abs_eta.low,
                             fit.abs_eta.high, fit.density, fit.density_error});
  }
  panel.series.push_back(std::move(series));
  analysis::fit_y_axis(panel, 0.05, {0.0});
  return figure("derivation_offset", "Pileup offset of L1FastJet against |eta|",
                PanelLayout::Single, {panel});
}

Figure response_figure(const jec::Derivation& derivation) {
  Panel panel;
  panel.x_title = kPtTitle;
  panel.y_title = "Median of #it{p}_{T}^{L1} / #it{p}_{T}^{gen}";
  panel.log_x = true;
  panel.x_low = 10;
  panel.x_high = kPtHigh;
  panel.reference = 1.0;
  for (const double eta : {0.1, 1.1, 2.0, 2.75, 3.5}) {
    for (const jec::ResponseFit& fit : derivation.response) {
      if (!(fit.abs_eta.low <= eta && eta < fit.abs_eta.high)) continue;
      analysis::Series series{
          range_label(fit.abs_eta, "|#eta|", 3), static_cast<int>(panel.series.size()), {}};
      for (const jec::ResponsePoint& p : fit.points)
        series.points.push_back({p.pt_gen, p.pt_gen, p.pt_gen, p.response, p.error});
      panel.series.push_back(std::move(series));
    }
  }
  analysis::fit_y_axis(panel, 0.08 + kLegendLine * static_cast<double>(panel.series.size()), {1.0});
  return figure("derivation_response", "Median response after L1FastJet against pt_gen",
                PanelLayout::Single, {panel});
}

}  // namespace

std::vector<Figure> closure_figures(const jec::Closure& closure) {
  const auto is_region = [](const jec::ClosureSeries& series) {
    return series.region == "barrel" || series.region == "endcap";
  };
  const auto fine = [&](const jec::ClosureSeries& series, jec::Range range) {
    return !is_region(series) && series.abs_eta.low >= range.low &&
           series.abs_eta.high <= range.high;
  };
  std::vector<Figure> figures;
  figures.push_back(pt_figure(closure.against_pt, "closure_pt", is_region));
  for (const auto& [name, range] : {std::pair{"closure_pt_barrel", jec::Range{0, 1.3}},
                                    std::pair{"closure_pt_endcap", jec::Range{1.3, 2.5}},
                                    std::pair{"closure_pt_forward", jec::Range{2.5, 5.2}}}) {
    figures.push_back(
        pt_figure(closure.against_pt, name,
                  [&, in = range](const jec::ClosureSeries& series) { return fine(series, in); }));
  }
  figures.push_back(eta_figure(closure.against_eta));
  for (const char* region : {"barrel", "endcap"}) {
    figures.push_back(
        slope_figure(closure.against_pileup, region, "num_pileup", "Number of pileup collisions"));
    figures.push_back(slope_figure(closure.against_rho, region, "rho", "#rho [GeV]"));
  }
  return figures;
}

std::vector<Figure> derivation_figures(const jec::Derivation& derivation) {
  return {offset_figure(derivation), response_figure(derivation)};
}

}  // namespace jetcal::cli
