// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <cctype>
#include <cmath>
#include <set>
#include <utility>

#include "jetcal/base/error.h"
#include "jetcal/hpo/exchange.h"

namespace jetcal::hpo {

TrialTable table_of(const StudyStore& store) {
  TrialTable table;
  table.source = store.path().string();
  table.parameters = store.definition().space.parameters();
  table.objectives = store.definition().objectives;
  std::set<std::string> others;
  for (const Objective& objective : table.objectives) table.metrics.push_back(objective.metric);
  for (const Trial& trial : store.history().trials) {
    const TrialRecord& record = store.records()[static_cast<std::size_t>(trial.number)];
    TableTrial row;
    row.name = std::to_string(trial.number);
    row.state = trial.state;
    row.values = trial.values;
    for (const auto& [name, value] : record.metrics) {
      if (!std::isfinite(value)) continue;
      row.metrics[name] = value;
      others.insert(name);
    }
    // An objective is the trial's outcome, not what it printed last.
    for (std::size_t i = 0; i < table.objectives.size(); ++i) {
      row.metrics.erase(table.objectives[i].metric);
      if (i < trial.objectives.size())
        row.metrics[table.objectives[i].metric] = trial.objectives[i];
    }
    row.course = trial.course;
    row.resource = trial.course.empty() ? 0 : trial.course.back().resource;
    row.started = record.started;
    row.ended = record.ended;
    if (record.pid != 0) row.worker = record.host + ":" + std::to_string(record.pid);
    row.message = record.error;
    table.trials.push_back(std::move(row));
  }
  for (const Objective& objective : table.objectives) others.erase(objective.metric);
  table.metrics.insert(table.metrics.end(), others.begin(), others.end());
  return table;
}

namespace {

// Lower case, without what only separates words.
std::string bare(const std::string& name) {
  std::string text;
  for (const char letter : name) {
    if (std::isalnum(static_cast<unsigned char>(letter)) != 0)
      text += static_cast<char>(std::tolower(static_cast<unsigned char>(letter)));
  }
  return text;
}

// What the paper's Katib experiments call the parameters of the built-in spaces.
const std::multimap<std::string, std::string>& paper_names() {
  static const std::multimap<std::string, std::string> kNames{{"particle_layers", "numconvlayers"},
                                                              {"particle_units", "convdim"},
                                                              {"edge_blocks", "numedgeconvblocks"},
                                                              {"neighbors", "k"},
                                                              {"edge_layers", "numconvlayers"},
                                                              {"edge_units", "convdim"},
                                                              {"head_layers", "numfclayers"},
                                                              {"head_units", "fcdim"},
                                                              {"lr", "startlr"}};
  return kNames;
}

template <typename Names>
std::string column_of(const std::string& name, const Names& columns) {
  std::set<std::string> wanted{bare(name)};
  const auto [begin, end] = paper_names().equal_range(name);
  for (auto it = begin; it != end; ++it) wanted.insert(it->second);
  for (const std::string& column : columns)
    if (column == name) return column;
  for (const std::string& column : columns)
    if (wanted.contains(bare(column))) return column;
  return "";
}

StudyDefinition guessed(const TrialTable& table) {
  StudyDefinition definition;
  definition.name = std::filesystem::path(table.source).stem().string();
  definition.space = SearchSpace(table.parameters);
  definition.objectives = table.objectives;
  definition.algorithm = "random";
  return definition;
}

struct Columns {
  std::vector<std::pair<const Parameter*, std::string>> parameters;
  std::vector<std::string> objectives, constraints;
};

// Of several objectives Optuna's tables say no names, but their numbers.
std::string numbered_column(std::size_t objective, const TrialTable& table) {
  const std::string name = "values_" + std::to_string(objective);
  const bool known =
      std::find(table.metrics.begin(), table.metrics.end(), name) != table.metrics.end();
  return known ? name : "";
}

Columns find_columns(const TrialTable& table, const StudyDefinition& definition) {
  Columns columns;
  std::vector<std::string> names;
  for (const Parameter& parameter : table.parameters) names.push_back(parameter.name);
  for (const Parameter& parameter : definition.space.parameters()) {
    const std::string column = column_of(parameter.name, names);
    if (column.empty()) {
      fail(ErrorCode::InvalidArgument, table.source, ": no column is the parameter '",
           parameter.name, "'");
    }
    columns.parameters.emplace_back(&parameter, column);
  }
  for (const Objective& objective : definition.objectives) {
    std::string column = column_of(objective.metric, table.metrics);
    // One objective of another name: what the table is judged by.
    if (column.empty() && definition.objectives.size() == 1 && !table.objectives.empty())
      column = table.objectives.front().metric;
    if (column.empty()) column = numbered_column(columns.objectives.size(), table);
    if (column.empty()) {
      fail(ErrorCode::InvalidArgument, table.source, ": no column is the objective '",
           objective.metric, "'");
    }
    columns.objectives.push_back(std::move(column));
  }
  for (const Constraint& constraint : definition.constraints) {
    columns.constraints.push_back(column_of(constraint.metric, table.metrics));
    if (columns.constraints.back().empty()) {
      fail(ErrorCode::InvalidArgument, table.source, ": no column is the metric '",
           constraint.metric, "' of a constraint");
    }
  }
  return columns;
}

// Words may be written otherwise in a table: adamW is adamw.
Value value_of(const Parameter& parameter, const Value& value) {
  const std::string text = to_string(value);
  for (const Value& choice : parameter.choices) {
    if (std::holds_alternative<std::string>(choice) && bare(to_string(choice)) == bare(text))
      return choice;
  }
  return parse_value(parameter, text);
}

// The metrics of a row in these columns; fewer where it lacks some.
std::vector<double> values_in(const std::vector<std::string>& columns, const TableTrial& row) {
  std::vector<double> values;
  for (const std::string& column : columns) {
    const auto value = row.metrics.find(column);
    if (value != row.metrics.end()) values.push_back(value->second);
  }
  return values;
}

void add_row(const TableTrial& row, const Columns& columns, ImportedStudy& study) {
  Trial trial;
  trial.number = std::ssize(study.trials);
  trial.state = row.state == TrialState::Running ? TrialState::Waiting : row.state;
  for (const auto& [parameter, column] : columns.parameters) {
    const auto value = row.values.find(column);
    if (value == row.values.end()) continue;  // its condition does not hold, or check() tells
    trial.values[parameter->name] = value_of(*parameter, value->second);
  }
  study.definition.space.check(trial.values);
  TrialRecord record;
  record.metrics = row.metrics;
  const std::vector<double> objectives = values_in(columns.objectives, row);
  const std::vector<double> measured = values_in(columns.constraints, row);
  const bool whole = objectives.size() == columns.objectives.size();
  if (trial.state == TrialState::Complete &&
      !(whole && measured.size() == columns.constraints.size())) {
    study.notes.push_back("trial " + row.name + " has no result: it counts as failed");
    trial.state = TrialState::Failed;
  }
  if (trial.state == TrialState::Complete) {
    trial.objectives = objectives;
    for (std::size_t i = 0; i < measured.size(); ++i)
      trial.constraints.push_back(study.definition.constraints[i].excess(measured[i]));
  }
  if (whole) trial.course.push_back({std::max<std::int64_t>(1, row.resource), objectives});
  record.created = record.started = row.started;
  record.ended = row.ended;
  record.error = row.message;
  study.trials.push_back(std::move(trial));
  study.records.push_back(std::move(record));
}

}  // namespace

ImportedStudy from_table(const TrialTable& table,
                         const std::optional<StudyDefinition>& definition) {
  ImportedStudy study;
  study.definition = definition ? *definition : guessed(table);
  if (!definition)
    study.notes.emplace_back("the search space is guessed from the values in the table");
  const Columns columns = find_columns(table, study.definition);
  for (const TableTrial& row : table.trials) {
    try {
      add_row(row, columns, study);
    } catch (const Error& error) {
      fail(ErrorCode::InvalidArgument, table.source, ": trial ", row.name, ": ", error.what());
    }
  }
  return study;
}

}  // namespace jetcal::hpo
