// SPDX-License-Identifier: Apache-2.0
#include "jetcal/hpo/study_numbers.h"

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>
#include <numeric>

#include "jetcal/base/error.h"
#include "jetcal/hpo/statistics.h"

namespace jetcal::hpo {

namespace {

// The trials with a result, and their scores: more is better.
struct Results {
  std::vector<std::size_t> rows;
  std::vector<double> values, losses, scores;  // losses: less is better
};

Results results_of(const TrialTable& table, StudyNumbers& numbers) {
  const Objective& objective = table.objectives.front();
  Results results;
  for (std::size_t row = 0; row < table.trials.size(); ++row) {
    const auto value = result_of(table.trials[row], objective.metric);
    if (!value) continue;
    results.rows.push_back(row);
    results.values.push_back(*value);
    results.losses.push_back(objective.maximise ? -*value : *value);
  }
  const bool inverted =
      !objective.maximise && std::all_of(results.losses.begin(), results.losses.end(),
                                         [](double loss) { return loss > 0; });
  for (const double loss : results.losses) results.scores.push_back(inverted ? 1 / loss : -loss);
  numbers.score = objective.maximise ? objective.metric
                  : inverted         ? "1 / " + objective.metric
                                     : "-" + objective.metric;
  return results;
}

// The values of a parameter where trials have it, with the results of these trials.
struct Column {
  std::vector<double> values, scores, losses;
  std::vector<const Value*> raw;
};

Column column_of(const TrialTable& table, const Results& results, const std::string& name) {
  Column column;
  for (std::size_t i = 0; i < results.rows.size(); ++i) {
    const Assignment& values = table.trials[results.rows[i]].values;
    const auto found = values.find(name);
    if (found == values.end()) continue;
    column.raw.push_back(&found->second);
    column.values.push_back(number_of(found->second).value_or(0));
    column.scores.push_back(results.scores[i]);
    column.losses.push_back(results.losses[i]);
  }
  return column;
}

ParameterNumbers numbers_of(const Column& column, const std::string& name, double lower,
                            double upper) {
  ParameterNumbers numbers;
  numbers.name = name;
  numbers.trials = column.values.size();
  numbers.pearson = pearson(column.values, column.scores);
  numbers.spearman = spearman(column.values, column.scores);
  numbers.kendall = kendall(column.values, column.scores);
  std::vector<double> good, bad;
  for (std::size_t i = 0; i < column.values.size(); ++i) {
    if (column.losses[i] <= lower) good.push_back(column.values[i]);
    if (column.losses[i] >= upper) bad.push_back(column.values[i]);
  }
  numbers.lower_mean = mean(good);
  numbers.upper_mean = mean(bad);
  return numbers;
}

std::vector<CategoryNumbers> categories_of(const Column& column, bool maximise) {
  std::map<std::string, std::vector<double>> losses;
  for (std::size_t i = 0; i < column.raw.size(); ++i)
    losses[to_string(*column.raw[i])].push_back(column.losses[i]);
  std::vector<CategoryNumbers> categories;
  for (const auto& [value, of_value] : losses) {
    const auto [low, high] = std::minmax_element(of_value.begin(), of_value.end());
    categories.push_back(
        {value, of_value.size(), *low, mean(of_value), quantile(of_value, 0.5), *high});
  }
  std::stable_sort(categories.begin(), categories.end(),
                   [](const auto& a, const auto& b) { return a.median < b.median; });
  if (maximise) {
    for (CategoryNumbers& c : categories) {
      for (double* value : {&c.best, &c.mean, &c.median, &c.worst}) *value = -*value;
    }
  }
  return categories;
}

bool allowed(const TableTrial& trial, const std::vector<Objective>& objectives) {
  return trial.feasible &&
         std::all_of(objectives.begin(), objectives.end(), [&](const Objective& objective) {
           return result_of(trial, objective.metric).has_value();
         });
}

// Rows that no other one beats or equals in all objectives and beats in one.
std::vector<std::size_t> pareto_of(const TrialTable& table) {
  std::vector<std::size_t> rows, front;
  for (std::size_t row = 0; row < table.trials.size(); ++row)
    if (allowed(table.trials[row], table.objectives)) rows.push_back(row);
  const auto loss = [&](std::size_t row, const Objective& objective) {
    const double value = *result_of(table.trials[row], objective.metric);
    return objective.maximise ? -value : value;
  };
  const auto beats = [&](std::size_t a, std::size_t b) {
    bool better = false;
    for (const Objective& objective : table.objectives) {
      if (loss(a, objective) > loss(b, objective)) return false;
      better |= loss(a, objective) < loss(b, objective);
    }
    return better;
  };
  for (const std::size_t row : rows) {
    if (std::none_of(rows.begin(), rows.end(),
                     [&](std::size_t other) { return beats(other, row); }))
      front.push_back(row);
  }
  return front;
}

}  // namespace

std::optional<double> result_of(const TableTrial& trial, const std::string& metric) {
  const auto found = trial.metrics.find(metric);
  if (trial.state != TrialState::Complete || found == trial.metrics.end()) return std::nullopt;
  return std::isfinite(found->second) ? std::optional(found->second) : std::nullopt;
}

std::optional<double> number_of(const Value& value) {
  if (const auto* integer = std::get_if<std::int64_t>(&value)) return static_cast<double>(*integer);
  if (const auto* number = std::get_if<double>(&value)) return *number;
  return std::nullopt;
}

StudyNumbers study_numbers(const TrialTable& table, std::size_t num_best) {
  if (table.objectives.empty())
    fail(ErrorCode::InvalidArgument, table.source, ": the table has no objective");
  StudyNumbers numbers;
  numbers.metric = table.objectives.front().metric;
  numbers.maximise = table.objectives.front().maximise;
  numbers.trials = table.trials.size();
  for (const TableTrial& trial : table.trials)
    ++numbers.states[std::string(to_string(trial.state))];
  const Results results = results_of(table, numbers);
  numbers.counted = results.rows.size();
  if (numbers.counted < 2) {
    fail(ErrorCode::InvalidArgument, table.source, ": a report needs two trials with '",
         numbers.metric, "', there are ", numbers.counted);
  }
  const double lower = quantile(results.losses, 0.25), upper = quantile(results.losses, 0.75);
  numbers.lower_quartile = numbers.maximise ? -lower : lower;
  numbers.upper_quartile = numbers.maximise ? -upper : upper;
  for (const Parameter& parameter : table.parameters) {
    const Column column = column_of(table, results, parameter.name);
    if (column.raw.empty()) continue;
    const bool constant = std::all_of(column.raw.begin(), column.raw.end(),
                                      [&](const Value* value) { return *value == *column.raw[0]; });
    const bool words = std::any_of(column.raw.begin(), column.raw.end(), [](const Value* value) {
      return std::holds_alternative<std::string>(*value);
    });
    if (constant) {
      numbers.constant[parameter.name] = to_string(*column.raw[0]);
    } else if (words || parameter.kind == Parameter::Kind::Categorical) {
      numbers.categorical[parameter.name] = categories_of(column, numbers.maximise);
    } else {
      numbers.numeric.push_back(numbers_of(column, parameter.name, lower, upper));
    }
  }
  std::vector<std::size_t> order(results.rows.size());
  std::iota(order.begin(), order.end(), 0);
  const auto key = [&](std::size_t i) {
    return std::pair(!table.trials[results.rows[i]].feasible, results.losses[i]);
  };
  std::stable_sort(order.begin(), order.end(),
                   [&](std::size_t a, std::size_t b) { return key(a) < key(b); });
  for (std::size_t i = 0; i < std::min(num_best, order.size()); ++i)
    numbers.best.push_back(results.rows[order[i]]);
  if (table.objectives.size() > 1) numbers.pareto = pareto_of(table);
  return numbers;
}

}  // namespace jetcal::hpo
