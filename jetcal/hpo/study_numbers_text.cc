// SPDX-License-Identifier: Apache-2.0
// Study numbers as JSON and as tables for a terminal.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>

#include "jetcal/hpo/study_numbers.h"

namespace jetcal::hpo {

namespace {

using Json = nlohmann::ordered_json;

Json json_of(double value) { return std::isfinite(value) ? Json(value) : Json(nullptr); }

Json json_of(const Value& value) {
  return std::visit([](const auto& item) { return Json(item); }, value);
}

Json trial_json(const TableTrial& trial) {
  Json parameters = Json::object(), metrics = Json::object();
  for (const auto& [name, value] : trial.values) parameters[name] = json_of(value);
  for (const auto& [name, value] : trial.metrics) metrics[name] = json_of(value);
  return {{"name", trial.name},
          {"state", to_string(trial.state)},
          {"parameters", std::move(parameters)},
          {"metrics", std::move(metrics)},
          {"feasible", trial.feasible}};
}

Json categories_json(const std::vector<CategoryNumbers>& categories) {
  Json list = Json::array();
  for (const CategoryNumbers& category : categories) {
    list.push_back({{"value", category.value},
                    {"trials", category.trials},
                    {"best", category.best},
                    {"median", category.median},
                    {"mean", category.mean},
                    {"worst", category.worst}});
  }
  return list;
}

std::string cell(double value) {
  return std::isfinite(value) ? fmt::format("{:.4g}", value) : std::string("-");
}

std::string state_line(const StudyNumbers& numbers) {
  std::string text =
      fmt::format("{} trials, {} with '{}'", numbers.trials, numbers.counted, numbers.metric);
  for (const auto& [state, count] : numbers.states) text += fmt::format(", {} {}", count, state);
  return text + "\n";
}

std::string best_lines(const StudyNumbers& numbers, const TrialTable& table) {
  std::size_t width = 5;
  for (const std::size_t row : numbers.best) width = std::max(width, table.trials[row].name.size());
  std::string text = fmt::format("{:<{}} {:>12}  {}\n", "trial", width, numbers.metric, "values");
  for (const std::size_t row : numbers.best) {
    const TableTrial& trial = table.trials[row];
    std::string values;
    for (const Parameter& parameter : table.parameters) {
      const auto found = trial.values.find(parameter.name);
      if (found == trial.values.end() || numbers.constant.contains(parameter.name)) continue;
      values += fmt::format("{}{} {}", values.empty() ? "" : ", ", parameter.name,
                            to_string(found->second));
    }
    text +=
        fmt::format("{:<{}} {:>12.6g}  {}{}\n", trial.name, width, trial.metrics.at(numbers.metric),
                    values, trial.feasible ? "" : "  (beyond a constraint)");
  }
  return text;
}

}  // namespace

Json to_json(const StudyNumbers& numbers, const TrialTable& table) {
  Json json{{"source", table.source},
            {"metric", numbers.metric},
            {"goal", numbers.maximise ? "maximise" : "minimise"},
            {"score", numbers.score},
            {"trials", numbers.trials},
            {"counted", numbers.counted},
            {"states", numbers.states}};
  for (const char* key : {"pearson", "spearman", "kendall", "quartile_means"})
    json[key] = Json::object();
  for (const ParameterNumbers& parameter : numbers.numeric) {
    json["pearson"][parameter.name] = json_of(parameter.pearson);
    json["spearman"][parameter.name] = json_of(parameter.spearman);
    json["kendall"][parameter.name] = json_of(parameter.kendall);
    json["quartile_means"][parameter.name] = {{"lower", json_of(parameter.lower_mean)},
                                              {"upper", json_of(parameter.upper_mean)}};
  }
  json["quartiles"] = {{"lower", numbers.lower_quartile}, {"upper", numbers.upper_quartile}};
  json["categories"] = Json::object();
  for (const auto& [name, categories] : numbers.categorical)
    json["categories"][name] = categories_json(categories);
  json["constant"] = numbers.constant;
  json["best_trials"] = Json::array();
  for (const std::size_t row : numbers.best)
    json["best_trials"].push_back(trial_json(table.trials[row]));
  if (!numbers.pareto.empty()) {
    json["pareto_front"] = Json::array();
    for (const std::size_t row : numbers.pareto)
      json["pareto_front"].push_back(trial_json(table.trials[row]));
  }
  return json;
}

std::string to_text(const StudyNumbers& numbers, const TrialTable& table) {
  std::string text = state_line(numbers) + "\n" + best_lines(numbers, table);
  if (!numbers.numeric.empty()) {
    std::size_t width = 9;
    for (const ParameterNumbers& p : numbers.numeric) width = std::max(width, p.name.size());
    text += fmt::format(
        "\ncorrelation with {}; means where the metric is in its best and worst quarter\n",
        numbers.score);
    text += fmt::format("{:<{}} {:>8} {:>8} {:>8} {:>11} {:>11} {:>7}\n", "parameter", width,
                        "Pearson", "Spearman", "Kendall", "best 1/4", "worst 1/4", "trials");
    for (const ParameterNumbers& p : numbers.numeric) {
      text += fmt::format("{:<{}} {:>8.2f} {:>8.2f} {:>8.2f} {:>11} {:>11} {:>7}\n", p.name, width,
                          p.pearson, p.spearman, p.kendall, cell(p.lower_mean), cell(p.upper_mean),
                          p.trials);
    }
  }
  for (const auto& [name, categories] : numbers.categorical) {
    text += fmt::format("\n{:<16} {:>7} {:>11} {:>11} {:>11} {:>11}\n", name, "trials", "best",
                        "median", "mean", "worst");
    for (const CategoryNumbers& c : categories) {
      text += fmt::format("{:<16} {:>7} {:>11.6g} {:>11.6g} {:>11.6g} {:>11.6g}\n", c.value,
                          c.trials, c.best, c.median, c.mean, c.worst);
    }
  }
  for (const auto& [name, value] : numbers.constant)
    text += fmt::format("{}{} is {} in every trial\n",
                        name == numbers.constant.begin()->first ? "\n" : "", name, value);
  return text;
}

}  // namespace jetcal::hpo
