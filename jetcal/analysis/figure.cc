// SPDX-License-Identifier: Apache-2.0
#include "jetcal/analysis/figure.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "jetcal/analysis/detail/figure_layout.h"

namespace jetcal::analysis {

namespace {

constexpr double kMargin = 0.06;  // of the height, free on either side of the points

nlohmann::ordered_json number(double value) {
  return std::isfinite(value) ? nlohmann::ordered_json(value) : nlohmann::ordered_json(nullptr);
}

nlohmann::ordered_json to_json(const Series& series) {
  nlohmann::ordered_json json{{"label", series.label}};
  for (const auto& [key, member] : {std::pair{"x", &Point::x}, std::pair{"x_low", &Point::x_low},
                                    std::pair{"x_high", &Point::x_high}, std::pair{"y", &Point::y},
                                    std::pair{"y_error", &Point::y_error}}) {
    nlohmann::ordered_json column = nlohmann::ordered_json::array();
    for (const Point& point : series.points) column.push_back(number(point.*member));
    json[key] = std::move(column);
  }
  return json;
}

nlohmann::ordered_json to_json(const Panel& panel) {
  nlohmann::ordered_json json{{"x_title", panel.x_title},
                              {"y_title", panel.y_title},
                              {"x_range", {panel.x_low, panel.x_high}},
                              {"y_range", {panel.y_low, panel.y_high}},
                              {"log_x", panel.log_x},
                              {"notes", panel.notes}};
  if (!panel.categories.empty()) json["categories"] = panel.categories;
  if (panel.reference) json["reference"] = *panel.reference;
  if (panel.biased_below) json["biased_below"] = *panel.biased_below;
  json["series"] = nlohmann::ordered_json::array();
  for (const Series& series : panel.series) json["series"].push_back(to_json(series));
  if (panel.heat_map) {
    json["heat_map"] = {{"title", panel.heat_map->title},
                        {"x_edges", panel.heat_map->x_edges},
                        {"y_edges", panel.heat_map->y_edges},
                        {"values", panel.heat_map->values}};
  }
  return json;
}

struct Span {
  double low = std::numeric_limits<double>::infinity();
  double high = -std::numeric_limits<double>::infinity();
  void add(double value) {
    low = std::min(low, value);
    high = std::max(high, value);
  }
  bool empty() const { return low > high; }
};

}  // namespace

nlohmann::ordered_json to_json(const Figure& figure) {
  nlohmann::ordered_json json{
      {"name", figure.name}, {"section", figure.section}, {"caption", figure.caption}};
  json["panels"] = nlohmann::ordered_json::array();
  for (const Panel& panel : figure.panels) json["panels"].push_back(to_json(panel));
  return json;
}

double head_of(const Panel& panel, PanelLayout layout, std::size_t index) {
  return detail::lay_out_head(panel, layout, index).part_of_axis;
}

void fit_y_axis(Panel& panel, double head, std::initializer_list<double> include) {
  const auto spread = [&](double from_x) {
    Span values;
    for (const Series& series : panel.series) {
      for (const Point& point : series.points) {
        if (std::isfinite(point.y) && point.x >= from_x) values.add(point.y);
      }
    }
    return values;
  };
  double from_x = panel.biased_below.value_or(panel.x_low);
  Span values = spread(from_x);
  if (values.empty()) values = spread(from_x = panel.x_low);
  for (const double value : include) values.add(value);
  if (values.empty()) return;
  Span with_errors = values;
  const double longest_error = 2 * (values.high - values.low);
  for (const Series& series : panel.series) {
    for (const Point& point : series.points) {
      if (!std::isfinite(point.y) || point.x < from_x || !(point.y_error <= longest_error))
        continue;
      with_errors.add(point.y - point.y_error);
      with_errors.add(point.y + point.y_error);
    }
  }
  double height = with_errors.high - with_errors.low;
  if (height <= 0) height = std::max(std::abs(with_errors.high), 1.0) * 0.1;
  const double total = height / (1 - head - 2 * kMargin);
  panel.y_low = with_errors.low - kMargin * total;
  panel.y_high = panel.y_low + total;
}

}  // namespace jetcal::analysis
