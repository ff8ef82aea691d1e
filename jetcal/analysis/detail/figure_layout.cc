// SPDX-License-Identifier: Apache-2.0
#include "jetcal/analysis/detail/figure_layout.h"

#include <algorithm>

#include "jetcal/analysis/detail/figure_style.h"

namespace jetcal::analysis::detail {

namespace {

constexpr double kRatioPart = 0.32;  // of the height of a figure with a ratio below
constexpr double kGridScale = 0.85;
constexpr double kColorScaleWidth = 190;

constexpr double kNotesWidth = 430;       // pixels
constexpr double kCharacterWidth = 0.47;  // on average, in text sizes
constexpr double kSampleWidth = 90;       // of the marker in the legend, with the space around
constexpr std::size_t kLongestColumn = 4;

}  // namespace

FigureSize figure_size(PanelLayout layout) {
  if (layout == PanelLayout::WithRatio) return {1200, 1200};
  if (layout == PanelLayout::Grid) return {1600, 1280};
  return {1200, 960};
}

std::vector<Placement> placements(PanelLayout layout) {
  Placement whole;
  if (layout == PanelLayout::Single) return {whole};
  if (layout == PanelLayout::WithColorScale) {
    whole.right = kColorScaleWidth;
    return {whole};
  }
  if (layout == PanelLayout::WithRatio) {
    Placement top = whole, bottom = whole;
    top.y_low = kRatioPart;
    top.bottom = 12;
    top.x_axis_text = false;
    bottom.y_high = kRatioPart;
    bottom.top = 12;
    bottom.few_y_labels = true;
    return {top, bottom};
  }
  std::vector<Placement> grid;
  for (int i = 0; i < 4; ++i) {
    Placement cell = whole;
    cell.scale = kGridScale;
    cell.left = 160;
    cell.x_low = 0.5 * (i % 2);
    cell.x_high = cell.x_low + 0.5;
    cell.y_high = i < 2 ? 1 : 0.5;
    cell.y_low = cell.y_high - 0.5;
    cell.few_y_labels = true;
    cell.bottom = 140;
    grid.push_back(cell);
  }
  return grid;
}

Head lay_out_head(const Panel& panel, PanelLayout layout, std::size_t index) {
  const FigureSize size = figure_size(layout);
  const Placement place = placements(layout).at(index);
  const double width = size.width * (place.x_high - place.x_low) / place.scale;
  const double height = size.height * (place.y_high - place.y_low) / place.scale;
  const double axis_width = width - place.left - place.right;
  const double axis_height = height - place.top - place.bottom;
  const double notes = kLineHeight * kNotePixels * static_cast<double>(panel.notes.size());
  constexpr double kSpace = 22;

  Head head;
  head.legend_top = 14;
  double used = panel.notes.empty() ? 0 : kSpace + notes;
  if (panel.legend && !panel.series.empty()) {
    std::size_t longest = 0;
    for (const Series& series : panel.series) longest = std::max(longest, series.label.size());
    const double column =
        kSampleWidth + kCharacterWidth * kLegendPixels * static_cast<double>(longest);
    if (panel.series.size() > kLongestColumn && 2 * column < axis_width) head.legend_columns = 2;
    const auto entries = static_cast<int>(panel.series.size());
    head.legend_rows = (entries + head.legend_columns - 1) / head.legend_columns;
    head.legend_width = std::min(axis_width - 20, column * head.legend_columns);
    const bool beside_notes = kNotesWidth + head.legend_width < axis_width;
    if (!beside_notes) head.legend_top += notes;
    used = std::max(used, head.legend_top + kLineHeight * kLegendPixels * head.legend_rows);
  }
  head.part_of_axis = std::min(0.7, (used + kSpace) / axis_height);
  return head;
}

}  // namespace jetcal::analysis::detail
