// SPDX-License-Identifier: Apache-2.0
// A figure as plain data: what is drawn and what its JSON says are the same numbers.
#pragma once

#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

namespace jetcal::analysis {

/// One marker with its error, or one step of a histogram. x_low and x_high span a bin; they are
/// equal to x where there is none.
struct Point {
  double x, x_low, x_high;
  double y, y_error;
};

/// Points of one corrector; `style` chooses its color and marker, 0 is the baseline's.
struct Series {
  std::string label;
  int style = 0;
  std::vector<Point> points;
};

enum class DrawAs { Markers, Steps };

/// Counts in rectangles, drawn as colors on a logarithmic scale; zero stays white.
struct HeatMap {
  std::vector<double> x_edges, y_edges;
  std::vector<std::vector<double>> values;  ///< [y][x]
  std::string title;                        ///< Of the color scale.
};

/// One pad: axes, series, reference line. Text is in ROOT's TLatex notation.
struct Panel {
  std::string x_title, y_title;
  double x_low = 0, x_high = 1;
  bool log_x = false;
  std::vector<std::string> categories;  ///< Names on the x axis at 0.5, 1.5, ...; empty: numbers.
  double y_low = 0, y_high = 1;
  DrawAs draw_as = DrawAs::Markers;
  std::vector<Series> series;
  std::optional<HeatMap> heat_map;     ///< In place of series.
  std::optional<double> reference;     ///< Dashed horizontal line, e.g. at a response of 1.
  std::optional<double> biased_below;  ///< Shades x from x_low to here.
  bool legend = true;
  std::vector<std::string> notes;  ///< Lines of text inside the pad.
};

enum class PanelLayout {
  Single,          ///< One panel.
  WithRatio,       ///< The second panel hangs below the first and shares its x axis.
  Grid,            ///< Four panels, two by two.
  WithColorScale,  ///< One panel with a heat map.
};

struct Figure {
  std::string name;     ///< File name without suffix.
  std::string section;  ///< Of the report.
  std::string caption;
  PanelLayout layout = PanelLayout::Single;
  std::vector<Panel> panels;
};

/// Returns the numbers of a figure; NaN becomes null.
nlohmann::ordered_json to_json(const Figure& figure);

/// Returns the part of the height of panel `index` that its notes and legend take when it is drawn.
double head_of(const Panel& panel, PanelLayout layout, std::size_t index);

/// Chooses y_low and y_high from the points and their errors, with `head` of the height left free
/// above them for the legend. Values in `include` are always inside.
///
/// Points below `biased_below` are left out where others exist: they may lie off the axis. So do
/// the ends of errors that exceed the spread of all values twice.
void fit_y_axis(Panel& panel, double head, std::initializer_list<double> include);

}  // namespace jetcal::analysis
