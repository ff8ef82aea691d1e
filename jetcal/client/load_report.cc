// SPDX-License-Identifier: Apache-2.0
#include "jetcal/client/load_report.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <nlohmann/json.hpp>
#include <utility>
#include <vector>

#include "jetcal/base/cpu.h"
#include "jetcal/base/error.h"
#include "jetcal/base/version.h"

namespace jetcal::client {
namespace {

using nlohmann::ordered_json;

constexpr double kWidth = 860, kHeight = 520;
constexpr double kLeft = 80, kRight = 230, kTop = 40, kBottom = 60;  // margins
constexpr std::array kColors{"#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9"};
constexpr std::array kQuantities{std::pair{"round trip", ""}, std::pair{"inference", "8 5"},
                                 std::pair{"overhead", "2 4"}};

struct Curve {
  std::string name;
  const char* color = "";
  const char* dashes = "";
  std::vector<std::pair<double, double>> points;  // batch size, microseconds
};

std::string escaped(const std::string& text) {
  std::string result;
  for (const char letter : text) {
    if (letter == '<')
      result += "&lt;";
    else if (letter == '&')
      result += "&amp;";
    else
      result += letter;
  }
  return result;
}

// JSON that may stand in an element: no "</" and no "<!--" can come up in it.
std::string element_json(const ordered_json& json) {
  std::string text;
  for (const char letter : json.dump(-1, ' ', true, ordered_json::error_handler_t::replace)) {
    if (letter == '<')
      text += "\\u003c";
    else if (letter == '&')
      text += "\\u0026";
    else
      text += letter;
  }
  return text;
}

std::string run_name(const ordered_json& report) {
  return report.at("model").get<std::string>() + ", " + report.at("form").get<std::string>() +
         ", " + report.at("url").get<std::string>();
}

std::vector<Curve> curves_of(std::span<const ordered_json> reports) {
  std::vector<Curve> curves;
  try {
    for (std::size_t i = 0; i < reports.size(); ++i) {
      for (std::size_t q = 0; q < kQuantities.size(); ++q) {
        Curve curve{run_name(reports[i]), kColors[i % kColors.size()], kQuantities[q].second, {}};
        for (const ordered_json& row : reports[i].at("results")) {
          const std::array values{row.at("round_trip_us").at("mean").get<double>(),
                                  row.at("inference_us").get<double>(),
                                  row.at("overhead_us").get<double>()};
          if (values[q] > 0)  // what has no logarithm has no place
            curve.points.emplace_back(row.at("batch_size").get<double>(), values[q]);
        }
        curves.push_back(std::move(curve));
      }
    }
  } catch (const ordered_json::exception& error) {
    fail(ErrorCode::InvalidArgument, "this is no report of loadgen: ", error.what());
  }
  return curves;
}

// Whole powers of `base` around the values, in logarithms to that base.
struct Axis {
  double low = 0, high = 1;
  double base, begin, length;  // in the figure; a negative length goes up

  Axis(double logarithm_base, double from, double extent, const std::vector<double>& values)
      : base(logarithm_base), begin(from), length(extent) {
    if (values.empty()) return;
    const auto [least, most] = std::minmax_element(values.begin(), values.end());
    low = std::floor(log(*least));
    high = std::max(low + 1, std::ceil(log(*most)));
  }
  double log(double value) const { return std::log(value) / std::log(base); }
  double place(double value) const { return begin + length * (log(value) - low) / (high - low); }
};

std::string draw_axes(const Axis& x, const Axis& y) {
  std::string svg;
  for (double power = x.low; power <= x.high + 0.5; ++power) {
    const double value = std::pow(x.base, power);
    svg += fmt::format(
        "<line x1='{0:.1f}' x2='{0:.1f}' y1='{1:.1f}' y2='{2:.1f}' stroke='#ddd'/>"
        "<text x='{0:.1f}' y='{3:.1f}' text-anchor='middle'>{4:g}</text>\n",
        x.place(value), kTop, kHeight - kBottom, kHeight - kBottom + 20, value);
  }
  for (double power = y.low; power <= y.high + 0.5; ++power) {
    const double value = std::pow(y.base, power);
    svg += fmt::format(
        "<line x1='{0:.1f}' x2='{1:.1f}' y1='{2:.1f}' y2='{2:.1f}' stroke='#ddd'/>"
        "<text x='{3:.1f}' y='{4:.1f}' text-anchor='end'>{5:g}</text>\n",
        kLeft, kWidth - kRight, y.place(value), kLeft - 8, y.place(value) + 4, value);
  }
  svg += fmt::format(
      "<rect x='{}' y='{}' width='{}' height='{}' fill='none' stroke='#888'/>\n"
      "<text x='{}' y='{}' text-anchor='middle'>jets in a request</text>\n"
      "<text transform='translate(22,{}) rotate(-90)' text-anchor='middle'>microseconds a "
      "request</text>\n",
      kLeft, kTop, kWidth - kLeft - kRight, kHeight - kTop - kBottom, (kLeft + kWidth - kRight) / 2,
      kHeight - 14, (kTop + kHeight - kBottom) / 2);
  return svg;
}

std::string draw_curve(const Curve& curve, const Axis& x, const Axis& y) {
  std::string line, marks;
  for (const auto& [batch, time] : curve.points) {
    line += fmt::format("{:.1f},{:.1f} ", x.place(batch), y.place(time));
    marks += fmt::format(
        "<circle cx='{:.1f}' cy='{:.1f}' r='3' fill='{}'><title>{:g} jets: {:.1f} us</title>"
        "</circle>\n",
        x.place(batch), y.place(time), curve.color, batch, time);
  }
  return fmt::format(
             "<polyline points='{}' fill='none' stroke='{}' stroke-width='2' "
             "stroke-dasharray='{}'/>\n",
             line, curve.color, curve.dashes) +
         marks;
}

std::string draw_legend(const std::vector<Curve>& curves) {
  const double left = kWidth - kRight + 16;
  double top = kTop + 10;
  std::string svg;
  for (const auto& [name, dashes] : kQuantities) {
    svg += fmt::format(
        "<line x1='{0}' x2='{1}' y1='{2}' y2='{2}' stroke='#333' stroke-width='2' "
        "stroke-dasharray='{3}'/><text x='{4}' y='{5}'>{6}</text>\n",
        left, left + 36, top, dashes, left + 44, top + 4, name);
    top += 20;
  }
  for (std::size_t i = 0; i < curves.size(); i += kQuantities.size()) {
    top += 10;
    svg +=
        fmt::format("<circle cx='{}' cy='{}' r='5' fill='{}'/>\n", left + 5, top, curves[i].color);
    std::string rest = curves[i].name;  // model, form and url, a line each
    for (std::size_t comma = 0; comma != std::string::npos; top += 16) {
      comma = rest.find(", ");
      svg += fmt::format("<text x='{}' y='{}'>{}</text>\n", left + 16, top + 4,
                         escaped(rest.substr(0, comma)));
      rest = comma == std::string::npos ? "" : rest.substr(comma + 2);
    }
  }
  return svg;
}

}  // namespace

ordered_json to_json(const LoadResult& result) {
  const auto latency = [](const LatencySummary& summary) -> ordered_json {
    return {{"mean", summary.mean}, {"p50", summary.p50}, {"p90", summary.p90},
            {"p95", summary.p95},   {"p99", summary.p99}, {"p999", summary.p999},
            {"max", summary.max}};
  };
  ordered_json failed = ordered_json::object();
  for (const auto& [what, count] : result.failed) failed[what] = count;
  return {
      {"batch_size", result.batch_size},
      {"requests", result.round_trip.count},
      {"failed", failed},
      {"seconds", result.seconds},
      {"requests_per_second", result.requests_per_second},
      {"jets_per_second", result.jets_per_second},
      {"round_trip_us", latency(result.round_trip)},
      {"refused_us", result.refused.count > 0 ? latency(result.refused) : ordered_json(nullptr)},
      {"inference_us", result.inference},
      {"queue_us", result.queue},
      {"overhead_us", result.overhead},
      {"jets_per_execution", result.jets_per_execution}};
}

ordered_json load_report(const LoadOptions& options, std::span<const LoadResult> results) {
  ordered_json rows = ordered_json::array();
  for (const LoadResult& result : results) rows.push_back(to_json(result));
  return {{"url", options.server.url},
          {"model", options.model},
          {"version", options.version},
          {"client", std::string(version()) + " (" + commit() + ")"},
          {"client_cpu", cpu_model()},
          {"connections", options.server.connections},
          {"retries", options.server.retry.retries},
          {"loop", options.rate > 0 ? "open" : "closed"},
          {"rate", options.rate},
          {"form", jet_form_name(options.form)},
          {"coding", options.coding == TensorCoding::Binary ? "binary" : "json"},
          {"particles", {options.min_particles, options.max_particles}},
          {"seed", options.seed},
          {"results", rows}};
}

std::string load_figure(std::span<const ordered_json> reports) {
  const std::vector<Curve> curves = curves_of(reports);
  std::vector<double> batches, times;
  for (const Curve& curve : curves) {
    for (const auto& [batch, time] : curve.points) {
      batches.push_back(batch);
      times.push_back(time);
    }
  }
  const Axis x(2, kLeft, kWidth - kLeft - kRight, batches);
  const Axis y(10, kHeight - kBottom, -(kHeight - kTop - kBottom), times);
  std::string svg = fmt::format(
      "<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 {} {}' font-family='Helvetica,Arial,"
      "sans-serif' font-size='13'>\n<metadata>{}</metadata>\n"
      "<rect width='100%' height='100%' fill='#fff'/>\n",
      kWidth, kHeight, element_json(ordered_json(std::vector(reports.begin(), reports.end()))));
  svg += draw_axes(x, y);
  for (const Curve& curve : curves) svg += draw_curve(curve, x, y);
  return svg + draw_legend(curves) + "</svg>\n";
}

std::string load_page(std::span<const ordered_json> reports) {
  const std::string figure = load_figure(reports);
  std::string rows;
  for (const ordered_json& report : reports) {
    for (const ordered_json& row : report["results"]) {
      const ordered_json& trip = row["round_trip_us"];
      rows += "<tr><td>" + escaped(run_name(report)) + "</td>";
      for (const ordered_json* value :
           {&row["batch_size"], &row["requests"], &row["jets_per_second"], &trip["mean"],
            &trip["p50"], &trip["p99"], &row["inference_us"], &row["overhead_us"]})
        rows += fmt::format("<td>{:.0f}</td>", value->is_number() ? value->get<double>() : NAN);
      rows += "</tr>\n";
    }
  }
  return "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><title>jetcal "
         "loadgen</title>\n<style>body{font-family:Helvetica,Arial,sans-serif;max-width:1100px;"
         "margin:2em auto}td{text-align:right;padding:.2em .8em}td:first-child{text-align:left}"
         "</style></head>\n<body>\n<h1>Round trip, inference and overhead by batch size</h1>\n" +
         figure +
         "<table>\n<tr><th>server</th><th>jets</th><th>requests</th><th>jets/s</th><th>mean "
         "(us)</th><th>p50</th><th>p99</th><th>inference</th><th>overhead</th></tr>\n" +
         rows + "</table>\n<script type=\"application/json\" id=\"data\">" +
         element_json(ordered_json(std::vector(reports.begin(), reports.end()))) +
         "</script>\n</body></html>\n";
}

}  // namespace jetcal::client
