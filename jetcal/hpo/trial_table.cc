// SPDX-License-Identifier: Apache-2.0
#include "jetcal/hpo/trial_table.h"

#include <csv.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdio>
#include <optional>
#include <set>

#include "jetcal/base/error.h"
#include "jetcal/base/files.h"
#include "jetcal/base/number.h"

namespace jetcal::hpo {

namespace {

constexpr std::size_t kMaxLevels = 12;  // more different integers than this are a range

using Row = std::vector<std::string>;

struct Rows {
  std::vector<Row> done;
  Row row;
};

void take_field(void* text, std::size_t size, void* rows) {
  static_cast<Rows*>(rows)->row.emplace_back(static_cast<const char*>(text), size);
}

void take_row(int /*end*/, void* data) {
  auto& rows = *static_cast<Rows*>(data);
  if (!rows.row.empty()) rows.done.push_back(std::move(rows.row));
  rows.row.clear();
}

// Lower case, with spaces for everything that only separates words.
std::string plain(std::string_view name) {
  std::string text;
  for (const char letter : name) {
    const bool separates = letter == '_' || letter == '/' || letter == '-' || letter == '.';
    if (separates) {
      text += ' ';
    } else {
      text += (letter >= 'A' && letter <= 'Z') ? static_cast<char>(letter - 'A' + 'a') : letter;
    }
  }
  return text;
}

bool has_word_of_metric(const std::string& name) {
  static constexpr std::array<std::string_view, 8> kWords{"loss",  "mse",      "mae", "rmse",
                                                          "error", "accuracy", "auc", "score"};
  std::string padded = ' ' + plain(name) + ' ';
  return std::any_of(kWords.begin(), kWords.end(), [&](std::string_view word) {
    return padded.find(' ' + std::string(word) + ' ') != std::string::npos;
  });
}

bool is_integer(double value) { return std::floor(value) == value && std::abs(value) < 1e15; }

TrialState state_of(const std::string& word, const std::string& where) {
  const std::string state = plain(word);
  static const std::map<std::string, TrialState> kStates{
      {"succeeded", TrialState::Complete},
      {"complete", TrialState::Complete},
      {"completed", TrialState::Complete},
      {"running", TrialState::Running},
      {"created", TrialState::Waiting},
      {"waiting", TrialState::Waiting},
      {"pending", TrialState::Waiting},
      {"paused", TrialState::Paused},
      {"earlystopped", TrialState::Stopped},
      {"early stopped", TrialState::Stopped},
      {"pruned", TrialState::Stopped},
      {"stopped", TrialState::Stopped},
      {"failed", TrialState::Failed},
      {"fail", TrialState::Failed},
      {"killed", TrialState::Failed},
      {"metricsunavailable", TrialState::Failed},
      {"metrics unavailable", TrialState::Failed}};
  const auto found = kStates.find(state);
  if (found == kStates.end())
    fail(ErrorCode::InvalidArgument, where, ": a trial has no state '", word, "'");
  return found->second;
}

// What each column of the file is.
struct Columns {
  std::optional<std::size_t> name, state;
  std::vector<std::pair<std::size_t, std::string>> metrics, parameters;  // index, name
};

bool one_of(const std::string& word, std::initializer_list<std::string_view> words) {
  return std::find(words.begin(), words.end(), word) != words.end();
}

bool named(const std::vector<std::string>& names, const std::string& name) {
  return std::find(names.begin(), names.end(), name) != names.end();
}

Columns sort_optuna(const Row& header, const TableOptions& options) {
  Columns columns;
  for (std::size_t i = 0; i < header.size(); ++i) {
    const std::string& name = header[i];
    if (name == "number") columns.name = i;
    if (name == "state") columns.state = i;
    if (name == "value" || name.starts_with("values_")) columns.metrics.emplace_back(i, name);
    if (name.starts_with("params_")) columns.parameters.emplace_back(i, name.substr(7));
    if (name.starts_with("user_attrs_") &&
        (has_word_of_metric(name) || named(options.also_metrics, name.substr(11))))
      columns.metrics.emplace_back(i, name.substr(11));
  }
  return columns;
}

void require_columns(const Row& header, const std::vector<std::string>& names,
                     const std::string& source) {
  for (const std::string& name : names) {
    if (std::find(header.begin(), header.end(), name) == header.end())
      fail(ErrorCode::InvalidArgument, source, ": there is no column '", name, "'");
  }
}

Columns sort_columns(const Row& header, const TableOptions& options, const std::string& source) {
  require_columns(header, options.metrics, source);
  require_columns(header, options.parameters, source);
  const std::set<std::string> different(header.begin(), header.end());
  if (different.size() != header.size())
    fail(ErrorCode::InvalidArgument, source, ": two columns have the same name");
  const bool optuna = std::any_of(header.begin(), header.end(), [](const std::string& name) {
    return name.starts_with("params_");
  });
  if (optuna && options.metrics.empty() && options.parameters.empty())
    return sort_optuna(header, options);
  Columns columns;
  for (std::size_t i = 0; i < header.size(); ++i) {
    const std::string& name = header[i];
    const std::string word = plain(name);
    const bool metric = options.metrics.empty()
                            ? has_word_of_metric(name) || word == "value" ||
                                  name == options.objective || named(options.also_metrics, name)
                            : named(options.metrics, name);
    const bool chosen = named(options.parameters, name);
    if (!chosen && metric) {
      columns.metrics.emplace_back(i, name);
    } else if (!chosen && !columns.name &&
               one_of(word, {"trial name", "trial", "name", "number"})) {
      columns.name = i;
    } else if (!chosen && !columns.state && one_of(word, {"status", "state"})) {
      columns.state = i;
    } else if (chosen || options.parameters.empty()) {
      columns.parameters.emplace_back(i, name);
    }
  }
  return columns;
}

// The kind and range of a column as its texts show them; empty cells are left alone.
Parameter parameter_of(const std::vector<Row>& rows, std::size_t column, const std::string& name) {
  Parameter parameter;
  parameter.name = name;
  std::set<double> numbers;
  std::set<std::string> words;
  for (std::size_t i = 1; i < rows.size(); ++i) {
    const std::string& text = rows[i][column];
    if (text.empty()) continue;
    words.insert(text);
    if (const auto number = parse_signed_number<double>(text)) numbers.insert(*number);
  }
  const bool numeric = std::all_of(words.begin(), words.end(), [](const std::string& text) {
    const auto number = parse_signed_number<double>(text);
    return number && std::isfinite(*number);
  });
  if (!numeric || words.empty()) {
    parameter.kind = Parameter::Kind::Categorical;
    for (const std::string& word : words) parameter.choices.emplace_back(word);
    return parameter;
  }
  parameter.low = *numbers.begin();
  parameter.high = *numbers.rbegin();
  const bool integers = std::all_of(numbers.begin(), numbers.end(), is_integer);
  parameter.kind = Parameter::Kind::Float;
  if (!integers) return parameter;
  parameter.kind = Parameter::Kind::Integer;
  if (numbers.size() > kMaxLevels) return parameter;
  parameter.kind = Parameter::Kind::Discrete;
  for (const double number : numbers)
    parameter.choices.emplace_back(static_cast<std::int64_t>(number));
  return parameter;
}

Value value_of(const Parameter& parameter, const std::string& text) {
  if (parameter.kind == Parameter::Kind::Categorical) return text;
  const double number = parse_signed_number<double>(text).value();
  if (parameter.kind == Parameter::Kind::Float) return number;
  return static_cast<std::int64_t>(number);
}

TableTrial read_row(const Row& header, const Row& row, const Columns& columns,
                    const TrialTable& table, const std::string& where) {
  TableTrial trial;
  if (columns.name) trial.name = row[*columns.name];
  if (columns.state) trial.state = state_of(row[*columns.state], where);
  for (std::size_t k = 0; k < columns.parameters.size(); ++k) {
    const auto& [index, name] = columns.parameters[k];
    if (!row[index].empty()) trial.values[name] = value_of(table.parameters[k], row[index]);
  }
  for (const auto& [index, name] : columns.metrics) {
    if (row[index].empty()) continue;
    const auto number = parse_signed_number<double>(row[index]);
    if (!number) {
      fail(ErrorCode::InvalidArgument, where, ": '", row[index], "' in the column '", header[index],
           "' is no number");
    }
    if (std::isfinite(*number)) trial.metrics[name] = *number;
  }
  return trial;
}

std::string number_text(double value) {
  std::array<char, 32> text{};
  const auto [end, error] = std::to_chars(text.data(), text.data() + text.size(), value);
  return {text.data(), end};
}

std::string quoted(const std::string& field) {
  if (field.find_first_of(",\"\r\n") == std::string::npos) return field;
  std::string text = "\"";
  for (const char letter : field) text += letter == '"' ? "\"\"" : std::string(1, letter);
  return text + '"';
}

const char* optuna_state(TrialState state) {
  switch (state) {
    case TrialState::Waiting:
      return "WAITING";
    case TrialState::Running:
      return "RUNNING";
    case TrialState::Paused:
      return "PAUSED";
    case TrialState::Complete:
      return "COMPLETE";
    case TrialState::Stopped:
      return "PRUNED";
    case TrialState::Failed:
      return "FAIL";
  }
  return "FAIL";
}

}  // namespace

std::vector<std::vector<std::string>> split_csv(std::string_view text, const std::string& source) {
  if (text.starts_with("\xEF\xBB\xBF")) text.remove_prefix(3);
  csv_parser parser;
  if (csv_init(&parser, CSV_STRICT | CSV_STRICT_FINI) != 0)
    fail(ErrorCode::Internal, "the CSV parser does not start");
  Rows rows;
  const std::size_t used =
      csv_parse(&parser, text.data(), text.size(), take_field, take_row, &rows);
  const bool whole = used == text.size() && csv_fini(&parser, take_field, take_row, &rows) == 0;
  const int error = csv_error(&parser);
  csv_free(&parser);
  if (!whole) {
    fail(ErrorCode::DataLoss, source, ", row ", rows.done.size() + 1,
         ": no CSV: ", csv_strerror(error));
  }
  return std::move(rows.done);
}

std::string choose_objective(const std::vector<std::string>& metrics) {
  if (metrics.empty())
    fail(ErrorCode::InvalidArgument, "the table has no metric; name its column with --metric");
  for (const std::string_view wanted :
       {"avg loss", "test loss", "validation loss", "value", "values 0", "loss"}) {
    for (const std::string& name : metrics)
      if (plain(name) == wanted) return name;
  }
  return metrics.front();
}

TrialTable parse_trial_csv(std::string_view text, const std::string& source,
                           const TableOptions& options) {
  const std::vector<Row> rows = split_csv(text, source);
  if (rows.empty()) fail(ErrorCode::InvalidArgument, source, ": the table is empty");
  const Row& header = rows.front();
  const Columns columns = sort_columns(header, options, source);
  for (std::size_t i = 1; i < rows.size(); ++i) {
    if (rows[i].size() != header.size()) {
      fail(ErrorCode::InvalidArgument, source, ", row ", i + 1, ": ", rows[i].size(),
           " fields, but the first row names ", header.size(), " columns");
    }
  }
  TrialTable table;
  table.source = source;
  for (const auto& [index, name] : columns.metrics) table.metrics.push_back(name);
  for (const auto& [index, name] : columns.parameters)
    table.parameters.push_back(parameter_of(rows, index, name));
  const std::string objective =
      options.objective.empty() ? choose_objective(table.metrics) : options.objective;
  require_columns(table.metrics, {objective}, source);
  table.objectives = {{objective, options.maximise}};
  for (std::size_t i = 1; i < rows.size(); ++i) {
    const std::string where = source + ", row " + std::to_string(i + 1);
    table.trials.push_back(read_row(header, rows[i], columns, table, where));
    if (table.trials.back().name.empty()) table.trials.back().name = std::to_string(i - 1);
  }
  return table;
}

TrialTable read_trial_csv(const std::filesystem::path& path, const TableOptions& options) {
  return parse_trial_csv(read_file(path), path.string(), options);
}

std::string format_trial_csv(const TrialTable& table) {
  std::string text = "number";
  const auto metric_of = [](const TableTrial& trial, const std::string& name) {
    const auto found = trial.metrics.find(name);
    return found == trial.metrics.end() ? std::string() : number_text(found->second);
  };
  std::vector<std::string> others;
  for (const std::string& name : table.metrics) {
    const bool objective = std::any_of(table.objectives.begin(), table.objectives.end(),
                                       [&](const Objective& o) { return o.metric == name; });
    if (!objective) others.push_back(name);
  }
  for (std::size_t k = 0; k < table.objectives.size(); ++k)
    text += table.objectives.size() == 1 ? ",value" : ",values_" + std::to_string(k);
  for (const Parameter& parameter : table.parameters)
    text += "," + quoted("params_" + parameter.name);
  for (const std::string& name : others) text += "," + quoted("user_attrs_" + name);
  text += ",state\n";
  for (const TableTrial& trial : table.trials) {
    text += quoted(trial.name);
    for (const Objective& objective : table.objectives)
      text += "," + metric_of(trial, objective.metric);
    for (const Parameter& parameter : table.parameters) {
      const auto found = trial.values.find(parameter.name);
      text +=
          "," + (found == trial.values.end() ? std::string() : quoted(to_string(found->second)));
    }
    for (const std::string& name : others) text += "," + metric_of(trial, name);
    text += std::string(",") + optuna_state(trial.state) + "\n";
  }
  return text;
}

}  // namespace jetcal::hpo
