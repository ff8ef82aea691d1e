// SPDX-License-Identifier: Apache-2.0
#include "jetcal/hpo/detail/unit_axes.h"

#include <algorithm>
#include <cmath>
#include <optional>

#include "jetcal/base/error.h"
#include "jetcal/hpo/study_numbers.h"

namespace jetcal::hpo::detail {

namespace {

constexpr std::size_t kFewestTrials = 4;

using Column = std::vector<const Value*>;  // null where a trial lacks the parameter

std::optional<std::size_t> level_of(const std::vector<Value>& choices, const Value& value) {
  const auto number = number_of(value);
  for (std::size_t i = 0; i < choices.size(); ++i) {
    const auto choice = number_of(choices[i]);
    if (choices[i] == value || (number && choice && *number == *choice)) return i;
  }
  return std::nullopt;
}

// Levels of a parameter whose choices may miss what a table shows.
std::vector<Value> all_levels(const Parameter& parameter, const Column& column) {
  std::vector<Value> levels = parameter.choices;
  for (const Value* value : column)
    if (value != nullptr && !level_of(levels, *value)) levels.push_back(*value);
  if (parameter.kind == Parameter::Kind::Discrete) {
    std::sort(levels.begin(), levels.end(), [](const Value& a, const Value& b) {
      return number_of(a).value_or(0) < number_of(b).value_or(0);
    });
  }
  return levels;
}

UnitAxis level_axis(const Parameter& parameter, const Column& column, std::size_t absent) {
  UnitAxis axis;
  axis.name = parameter.name;
  const std::vector<Value> levels = all_levels(parameter, column);
  axis.ordered = parameter.kind == Parameter::Kind::Discrete && absent == 0;
  axis.levels = levels.size() + (absent > 0 ? 1 : 0);
  for (const Value* value : column) {
    const std::size_t level =
        value == nullptr ? levels.size() : level_of(levels, *value).value_or(0);
    const auto place = static_cast<double>(level);
    axis.place.push_back(axis.ordered ? (place + 0.5) / static_cast<double>(axis.levels) : place);
  }
  return axis;
}

UnitAxis range_axis(const Parameter& parameter, const Column& column, std::size_t absent) {
  UnitAxis axis;
  axis.name = parameter.name;
  // An integer stands for the unit interval around it, so that every one weighs alike.
  const double margin = parameter.kind == Parameter::Kind::Integer
                            ? (parameter.step > 0 ? parameter.step : 1) / 2
                            : 0;
  const bool log = parameter.log && parameter.low - margin > 0;
  const auto scaled = [log](double value) { return log ? std::log(value) : value; };
  double low = parameter.low - margin, high = parameter.high + margin;
  for (const Value* value : column) {
    if (value == nullptr) continue;
    const double number = number_of(*value).value_or(0);
    if (number > 0 || !log) low = std::min(low, number);
    high = std::max(high, number);
  }
  const double width = scaled(high) - scaled(low);
  // Trials without the parameter share a part at the low end, as wide as they are many.
  const double part = static_cast<double>(absent) / static_cast<double>(column.size());
  for (const Value* value : column) {
    if (value == nullptr) {
      axis.place.push_back(part / 2);
      continue;
    }
    const double number = std::max(number_of(*value).value_or(0), log ? low : -HUGE_VAL);
    const double place = width > 0 ? (scaled(number) - scaled(low)) / width : 0.5;
    axis.place.push_back(part + (1 - part) * std::clamp(place, 0.0, 1.0));
  }
  return axis;
}

}  // namespace

UnitTrials unit_trials(const TrialTable& table, const std::string& metric) {
  UnitTrials trials;
  std::vector<const TableTrial*> counted;
  for (const TableTrial& trial : table.trials) {
    const auto result = result_of(trial, metric);
    if (!result) continue;
    counted.push_back(&trial);
    trials.results.push_back(*result);
  }
  if (counted.size() < kFewestTrials) {
    fail(ErrorCode::InvalidArgument, table.source, ": importance needs ", kFewestTrials,
         " trials with '", metric, "', there are ", counted.size());
  }
  for (const Parameter& parameter : table.parameters) {
    Column column;
    std::size_t absent = 0;
    bool words = parameter.kind == Parameter::Kind::Categorical;
    for (const TableTrial* trial : counted) {
      const auto found = trial->values.find(parameter.name);
      column.push_back(found == trial->values.end() ? nullptr : &found->second);
      if (column.back() == nullptr) {
        ++absent;
      } else {
        words |= std::holds_alternative<std::string>(*column.back());
      }
    }
    const bool levels = words || parameter.kind == Parameter::Kind::Discrete;
    UnitAxis axis =
        levels ? level_axis(parameter, column, absent) : range_axis(parameter, column, absent);
    const bool varies = std::any_of(axis.place.begin(), axis.place.end(),
                                    [&](double place) { return place != axis.place.front(); });
    if (varies) trials.axes.push_back(std::move(axis));
  }
  return trials;
}

}  // namespace jetcal::hpo::detail
