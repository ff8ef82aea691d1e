// SPDX-License-Identifier: Apache-2.0
#include "jetcal/analysis/detail/pad_painter.h"

#include <TAxis.h>
#include <TBox.h>
#include <TColor.h>
#include <TGraph.h>
#include <TGraphErrors.h>
#include <TH1F.h>
#include <TH2D.h>
#include <TLatex.h>
#include <TLegend.h>
#include <TLegendEntry.h>
#include <TLine.h>
#include <TPad.h>
#include <TVirtualPad.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <memory>

#include "jetcal/analysis/detail/figure_style.h"

namespace jetcal::analysis::detail {

namespace {

constexpr short kLeftBottom = 11, kLeftTop = 13, kRightBottom = 31, kCenterBase = 20;

// Numbers on a logarithmic axis; ROOT's own choice overlaps or leaves a decade bare.
constexpr std::array<int, 9> kLogLabels{20, 30, 50, 100, 200, 300, 500, 1000, 2000};

// Draws an object into the current pad, which owns it from then on.
template <typename T>
T& draw_owned(std::unique_ptr<T> object, const char* option = "") {
  object->SetBit(TObject::kCanDelete);
  object->Draw(option);
  return *object.release();
}

// Paints one panel; holds the pad and its size in pixels.
class PanelPainter {
 public:
  PanelPainter(const Panel& panel, const Placement& placement, const Head& head, int width,
               int height)
      : panel_(panel),
        place_(placement),
        head_(head),
        width_(width * (placement.x_high - placement.x_low)),
        height_(height * (placement.y_high - placement.y_low)) {}

  void paint();

 private:
  // ROOT measures text in parts of the shorter side of the pad.
  double text_size(double pixels) const {
    return place_.scale * pixels / std::min(width_, height_);
  }
  double x_fraction(double pixels) const { return place_.scale * pixels / width_; }
  double y_fraction(double pixels) const { return place_.scale * pixels / height_; }

  void open_pad();
  void draw_frame();
  void draw_shade();
  void draw_separators();
  void draw_reference();
  void draw_series(const Series& series);
  void style_markers(TAttLine& line, TAttMarker& marker, const Series& series) const;
  static void style_steps(TAttLine& line, TAttFill& fill, const Series& series);
  void draw_markers(const Series& series);
  void draw_heat_map(const HeatMap& map);
  void draw_steps(const Series& series);
  void draw_x_labels();
  void draw_x_label(double x, const std::string& text);
  void draw_notes();
  void note_emptiness();
  void draw_legend();
  void text(double x, double y, const std::string& content, double pixels, short align,
            const char* color = kBlack);

  const Panel& panel_;
  const Placement& place_;
  const Head& head_;
  double width_, height_;
};

void PanelPainter::open_pad() {
  TPad& pad = draw_owned(
      std::make_unique<TPad>("", "", place_.x_low, place_.y_low, place_.x_high, place_.y_high));
  pad.SetFillStyle(0);
  pad.SetMargin(
      static_cast<float>(x_fraction(place_.left)), static_cast<float>(x_fraction(place_.right)),
      static_cast<float>(y_fraction(place_.bottom)), static_cast<float>(y_fraction(place_.top)));
  pad.SetTicks(1, 1);
  pad.SetLogx(panel_.log_x);
  pad.cd();
}

void PanelPainter::draw_frame() {
  TH1F* frame = gPad->DrawFrame(panel_.x_low, panel_.y_low, panel_.x_high, panel_.y_high);
  frame->SetLineWidth(2);
  TAxis& x = *frame->GetXaxis();
  TAxis& y = *frame->GetYaxis();
  for (TAxis* axis : {&x, &y}) {
    axis->SetTitleFont(kFont);
    axis->SetLabelFont(kFont);
    axis->SetTitleSize(static_cast<float>(text_size(kTitlePixels)));
    axis->SetLabelSize(static_cast<float>(text_size(kLabelPixels)));
    axis->CenterTitle(false);
  }
  y.SetDecimals();
  y.SetTitle(panel_.y_title.c_str());
  // An offset of 1 is 1.6 title heights from the axis.
  const double y_offset = (place_.left - 46) / (1.6 * kTitlePixels);
  y.SetTitleOffset(static_cast<float>(y_offset * std::min(width_, height_) / width_));
  y.SetLabelOffset(0.006F);
  x.SetLabelOffset(0.012F);
  y.SetNdivisions(place_.few_y_labels ? 505 : 508);
  y.SetTickLength(static_cast<float>(0.022 * std::min(width_, height_) / width_));
  x.SetTickLength(static_cast<float>(0.03 * std::min(width_, height_) / height_));
  x.SetNdivisions(panel_.categories.empty() ? 506 : static_cast<int>(panel_.categories.size()));
  if (!panel_.categories.empty()) x.SetTickLength(0);
  if (!place_.x_axis_text || panel_.log_x || !panel_.categories.empty()) x.SetLabelSize(0);
  if (!place_.x_axis_text) return;
  x.SetTitle(panel_.x_title.c_str());
  const double x_offset = (place_.bottom - 46) / (1.6 * kTitlePixels);
  x.SetTitleOffset(static_cast<float>(x_offset * std::min(width_, height_) / height_));
}

void PanelPainter::draw_shade() {
  if (!panel_.biased_below) return;
  TBox& box = draw_owned(
      std::make_unique<TBox>(panel_.x_low, panel_.y_low, *panel_.biased_below, panel_.y_high));
  box.SetFillColor(TColor::GetColor(kShade));
  box.SetLineWidth(0);
  if (!panel_.legend) return;  // said once
  const double low = x_fraction(place_.left), high = 1 - x_fraction(place_.right);
  const double end = low + (high - low) * std::log(*panel_.biased_below / panel_.x_low) /
                               std::log(panel_.x_high / panel_.x_low);
  text(0.5 * (low + end), y_fraction(place_.bottom + 20), "reco #it{p}_{T} cut", kSmallPixels,
       kCenterBase, kShadeText);
}

void PanelPainter::draw_separators() {
  for (std::size_t i = 1; i < panel_.categories.size(); ++i) {
    const auto x = static_cast<double>(i);
    TLine& line = draw_owned(std::make_unique<TLine>(x, panel_.y_low, x, panel_.y_high));
    line.SetLineColor(static_cast<Color_t>(TColor::GetColor(kShade)));
    line.SetLineWidth(2);
  }
}

void PanelPainter::draw_reference() {
  if (!panel_.reference) return;
  TLine& line = draw_owned(
      std::make_unique<TLine>(panel_.x_low, *panel_.reference, panel_.x_high, *panel_.reference));
  line.SetLineColor(TColor::GetColor(kReferenceLine));
  line.SetLineStyle(7);
  line.SetLineWidth(2);
}

int color(const Series& series) { return TColor::GetColor(kColors[series.style % kColors.size()]); }

void PanelPainter::style_markers(TAttLine& line, TAttMarker& marker, const Series& series) const {
  line.SetLineColor(static_cast<Color_t>(color(series)));
  line.SetLineWidth(3);
  marker.SetMarkerColor(static_cast<Color_t>(color(series)));
  marker.SetMarkerStyle(kMarkers[series.style % kMarkers.size()]);
  // Told by the styles: a ratio panel has one series less, and the same markers.
  const bool many = static_cast<std::size_t>(panel_.series.back().style) + 1 > kCrowded;
  const double crowded = many ? kCrowdedScale : 1;
  const double scale = kMarkerScales[series.style % kMarkerScales.size()];
  marker.SetMarkerSize(static_cast<float>(kMarkerSize * place_.scale * crowded * scale));
}

void PanelPainter::style_steps(TAttLine& line, TAttFill& fill, const Series& series) {
  line.SetLineColor(static_cast<Color_t>(color(series)));
  line.SetLineWidth(series.style == 0 ? 2 : 4);
  line.SetLineStyle(kLineStyles[series.style % kLineStyles.size()]);
  if (series.style == 0) {
    fill.SetFillStyle(1001);
    fill.SetFillColor(static_cast<Color_t>(TColor::GetColor(kBaselineFill)));
  }
}

void PanelPainter::draw_markers(const Series& series) {
  TGraphErrors& graph =
      draw_owned(std::make_unique<TGraphErrors>(static_cast<int>(series.points.size())), "PZ");
  for (std::size_t i = 0; i < series.points.size(); ++i) {
    const Point& point = series.points[i];
    graph.SetPoint(static_cast<int>(i), point.x, point.y);
    const double error = std::isfinite(point.y_error) ? point.y_error : 0;
    graph.SetPointError(static_cast<int>(i), 0, error);
  }
  style_markers(graph, graph, series);
}

void PanelPainter::draw_steps(const Series& series) {
  const bool baseline = series.style == 0;
  TGraph& graph = draw_owned(std::make_unique<TGraph>(), baseline ? "FL" : "L");
  int corner = 0;
  const auto add = [&](double x, double y) { graph.SetPoint(corner++, x, y); };
  add(series.points.front().x_low, 0);
  for (const Point& point : series.points) {
    add(point.x_low, point.y);
    add(point.x_high, point.y);
  }
  add(series.points.back().x_high, 0);
  style_steps(graph, graph, series);
}

void PanelPainter::draw_heat_map(const HeatMap& map) {
  TH2D& histogram = draw_owned(
      std::make_unique<TH2D>("", "", static_cast<int>(map.x_edges.size()) - 1, map.x_edges.data(),
                             static_cast<int>(map.y_edges.size()) - 1, map.y_edges.data()),
      "COLZ SAME");
  histogram.SetDirectory(nullptr);
  double largest = 2;  // a scale needs two ends
  for (std::size_t y = 0; y < map.values.size(); ++y) {
    for (std::size_t x = 0; x < map.values[y].size(); ++x) {
      histogram.SetBinContent(static_cast<int>(x) + 1, static_cast<int>(y) + 1, map.values[y][x]);
      largest = std::max(largest, map.values[y][x]);
    }
  }
  histogram.SetMinimum(0.8);
  histogram.SetMaximum(1.2 * largest);
  TAxis& z = *histogram.GetZaxis();
  z.SetTitle(map.title.c_str());
  z.SetTitleFont(kFont);
  z.SetLabelFont(kFont);
  z.SetTitleSize(static_cast<float>(text_size(kTitlePixels)));
  z.SetLabelSize(static_cast<float>(text_size(kLabelPixels)));
  z.SetTitleOffset(1.1F);
  gPad->SetLogz();
}

void PanelPainter::draw_series(const Series& series) {
  if (series.points.empty()) return;  // ROOT complains about graphs without points
  if (panel_.draw_as == DrawAs::Steps) {
    draw_steps(series);
  } else {
    draw_markers(series);
  }
}

void PanelPainter::text(double x, double y, const std::string& content, double pixels, short align,
                        const char* color) {
  TLatex& latex = draw_owned(std::make_unique<TLatex>(x, y, content.c_str()));
  latex.SetTextFont(kFont);
  latex.SetTextSize(static_cast<float>(text_size(pixels)));
  latex.SetTextAlign(align);
  latex.SetTextColor(static_cast<Color_t>(TColor::GetColor(color)));
  latex.SetNDC();
}

void PanelPainter::draw_x_label(double x, const std::string& content) {
  const auto scaled = [&](double value) { return panel_.log_x ? std::log(value) : value; };
  const double part =
      (scaled(x) - scaled(panel_.x_low)) / (scaled(panel_.x_high) - scaled(panel_.x_low));
  const double left = x_fraction(place_.left);
  const double ndc = left + part * (1 - left - x_fraction(place_.right));
  text(ndc, y_fraction(place_.bottom - 42), content, kLabelPixels, kCenterBase);
}

void PanelPainter::draw_x_labels() {
  if (!place_.x_axis_text) return;
  for (std::size_t i = 0; i < panel_.categories.size(); ++i) {
    draw_x_label(static_cast<double>(i) + 0.5, panel_.categories[i]);
  }
  if (!panel_.log_x) return;
  for (const int value : kLogLabels) {
    if (value >= panel_.x_low && value <= panel_.x_high) draw_x_label(value, std::to_string(value));
  }
}

void PanelPainter::draw_notes() {
  double y = 1 - y_fraction(place_.top + 22);
  const double x = x_fraction(place_.left + 30);
  for (const std::string& note : panel_.notes) {
    text(x, y, note, kNotePixels, kLeftTop);
    y -= y_fraction(kLineHeight * kNotePixels);
  }
}

void PanelPainter::note_emptiness() {
  const bool empty =
      !panel_.heat_map && std::all_of(panel_.series.begin(), panel_.series.end(),
                                      [](const Series& series) { return series.points.empty(); });
  if (!empty) return;
  const double x = 0.5 * (x_fraction(place_.left) + 1 - x_fraction(place_.right));
  const double y = 0.5 * (y_fraction(place_.bottom) + 1 - y_fraction(place_.top));
  text(x, y, "too few jets", kNotePixels, kCenterBase, kShadeText);
}

void PanelPainter::draw_legend() {
  if (!panel_.legend || panel_.series.empty()) return;
  const double high = 1 - y_fraction(place_.top + head_.legend_top);
  const double right = 1 - x_fraction(place_.right + 16);
  const double low = high - y_fraction(kLineHeight * kLegendPixels) * head_.legend_rows;
  const double left = right - x_fraction(head_.legend_width);
  TLegend& legend = draw_owned(std::make_unique<TLegend>(left, low, right, high));
  legend.SetTextFont(kFont);
  legend.SetTextSize(static_cast<float>(text_size(kLegendPixels)));
  legend.SetBorderSize(0);
  legend.SetFillStyle(0);
  legend.SetNColumns(head_.legend_columns);
  legend.SetMargin(static_cast<float>(x_fraction(80) * head_.legend_columns / (right - left)));
  for (const Series& series : panel_.series) {
    const bool steps = panel_.draw_as == DrawAs::Steps;
    const char* const drawn_as = !steps ? "pe" : series.style == 0 ? "lf" : "l";
    TLegendEntry& entry =
        *legend.AddEntry(static_cast<const TObject*>(nullptr), series.label.c_str(), drawn_as);
    if (steps) {
      style_steps(entry, entry, series);
    } else {
      style_markers(entry, entry, series);
    }
  }
}

void PanelPainter::paint() {
  open_pad();
  draw_frame();
  draw_shade();
  draw_separators();
  draw_reference();
  if (panel_.heat_map) draw_heat_map(*panel_.heat_map);
  // The baseline lies below the others.
  for (const Series& series : panel_.series) draw_series(series);
  draw_x_labels();
  draw_notes();
  note_emptiness();
  draw_legend();
  gPad->RedrawAxis();
}

}  // namespace

void paint_panel(const Panel& panel, const Placement& placement, const Head& head, int width,
                 int height) {
  PanelPainter(panel, placement, head, width, height).paint();
}

void paint_header(const std::string& label, const Placement& top, int width, int height) {
  const double y = 1 - (top.top * top.scale - 12) / height;
  const auto write = [&](double x, const std::string& content, short font, short align) {
    TLatex& latex = draw_owned(std::make_unique<TLatex>(x, y, content.c_str()));
    latex.SetNDC();
    latex.SetTextFont(font);
    latex.SetTextAlign(align);
    latex.SetTextSize(static_cast<float>(kLabelPixels / std::min(width, height)));
  };
  write(top.left * top.scale / width, "jetcal", kBoldFont, kLeftBottom);
  write(1 - top.right * top.scale / width, label, kFont, kRightBottom);
}

}  // namespace jetcal::analysis::detail
