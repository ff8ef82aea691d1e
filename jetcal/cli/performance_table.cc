// SPDX-License-Identifier: Apache-2.0
#include "jetcal/cli/performance_table.h"

#include <fmt/format.h>

#include <nlohmann/json.hpp>
#include <string>

namespace jetcal::cli {
namespace {

std::string range(const nlohmann::ordered_json& low, const nlohmann::ordered_json& high) {
  const std::string from = fmt::format("{:g}", low.get<double>());
  return high.is_null() ? "> " + from : fmt::format("{} - {:g}", from, high.get<double>());
}

void print_coverage(const nlohmann::ordered_json& coverage) {
  fmt::print("\n{:<22}{:>10}{:>12}{:>10}{:>14}\n", "coverage of 68.27 %", "jets", "covered",
             "error", "resolution");
  const auto row = [](const std::string& name, const nlohmann::ordered_json& bin) {
    fmt::print("{:<22}{:>10}{:>11.2f}%{:>9.2f}%{:>13.2f}%\n", name,
               bin.at("jets").get<std::int64_t>(), 100 * bin.at("coverage").get<double>(),
               100 * bin.at("error").get<double>(),
               100 * bin.at("median_resolution").get<double>());
  };
  row("all jets", coverage.at("all"));
  for (const auto& [title, key] :
       {std::pair<const char*, const char*>{"pt", "by_pt_corr"}, {"pt_gen", "by_pt_gen"}}) {
    for (const auto& bin : coverage.at(key))
      row(fmt::format("{} {}", title, range(bin.at("pt_low"), bin.at("pt_high"))), bin);
  }
}

}  // namespace

void print_performance(const nlohmann::ordered_json& performance) {
  if (!performance.is_object()) return;
  if (performance.contains("coverage")) print_coverage(performance.at("coverage"));
  if (!performance.contains("closure")) return;
  const auto& closure = performance.at("closure");
  fmt::print("\n{:<22}{:>10}{:>10}{:>18}{:>18}\n", "median pt / pt_gen", "jets", "response",
             "weight pt_gen", "weight 1/pt_gen");
  for (const auto& bin : closure.at("bins")) {
    fmt::print("{:<22}{:>10}{:>10.4f}{:>18.4f}{:>18.4f}\n",
               fmt::format("{} {}", bin.at("region").get<std::string>(),
                           range(bin.at("pt_gen_low"), bin.at("pt_gen_high"))),
               bin.at("jets").get<std::int64_t>(), bin.at("response").get<double>(),
               bin.at("response_harder").get<double>(), bin.at("response_softer").get<double>());
  }
  fmt::print("largest distance from 1: {:.2f} %, largest change with the spectrum: {:.2f} %\n",
             closure.at("largest_gap_percent").get<double>(),
             closure.at("largest_change_percent").get<double>());
}

}  // namespace jetcal::cli
