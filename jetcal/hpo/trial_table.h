// SPDX-License-Identifier: Apache-2.0
// Trials as rows of a table: what reports and statistics read, wherever the trials come from.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "jetcal/hpo/trial.h"

namespace jetcal::hpo {

/// One row.
struct TableTrial {
  std::string name;
  TrialState state = TrialState::Complete;
  Assignment values;                      ///< By the names of TrialTable::parameters.
  std::map<std::string, double> metrics;  ///< Final values by name; absent where there is none.
  std::vector<Report> course;             ///< Of the objectives; may be empty.
  std::int64_t resource = 0;              ///< Units of work (epochs) spent on it; 0: not known.
  double started = 0;                     ///< Seconds since 1970; 0: not known.
  double ended = 0;                       ///< Likewise.
  std::string worker;                     ///< What ran it; may be empty.
  std::string message;                    ///< Why it failed; may be empty.
  bool feasible = true;                   ///< Whether its constraints hold; files know none.
};

/// One stretch of work on a trial.
struct WorkSpan {
  std::size_t trial = 0;  ///< Row of the table.
  std::string worker;
  double begin = 0, end = 0;  ///< Seconds since 1970.
  std::string outcome;        ///< What ended it, e.g. "paused"; "running" while it lasts.
};

/// A study or a file of trials.
struct TrialTable {
  std::string source;                 ///< The file or study, for titles and messages.
  std::vector<Parameter> parameters;  ///< In the order of the table; ranges as known or as seen.
  std::vector<std::string> metrics;   ///< In the order of the table.
  std::vector<Objective> objectives;  ///< One or two of the metrics.
  std::vector<TableTrial> trials;
  std::vector<WorkSpan> spans;  ///< By their begin; empty for files.
};

/// Overrides what a file does not say.
struct TableOptions {
  std::vector<std::string> metrics;       ///< Columns that are metrics; empty: by their names.
  std::vector<std::string> parameters;    ///< Columns that are parameters; empty: the others.
  std::vector<std::string> also_metrics;  ///< Columns that are metrics whatever their names say.
  std::string objective;                  ///< Column of the objective; empty: see choose_objective.
  bool maximise = false;
};

/// Reads a table of trials from CSV: of Katib (as its user interface saves it), of Optuna
/// (`study.trials_dataframe().to_csv()`), or any table with one row a trial.
///
/// Columns named like "Trial name", "name" or "number" name the trial, "Status" or "state" its
/// state. `params_X` is the parameter X and `value` the objective (Optuna). Otherwise a column
/// whose words include loss, mse, mae, rmse, error, accuracy, auc or score is a metric, and every
/// other one a parameter. A column of numbers is numeric; integers with at most 12 different values
/// count as Discrete levels; other columns are Categorical.
/// Throws NotFound, DataLoss for text that is no CSV, and InvalidArgument naming row and column.
TrialTable read_trial_csv(const std::filesystem::path& path, const TableOptions& options = {});
TrialTable parse_trial_csv(std::string_view text, const std::string& source,
                           const TableOptions& options = {});

/// Names the metric that a table is judged by where nobody says: "avg loss" (as in the paper's
/// trials), then "test loss", "validation loss", "value", "loss", then the first one; letters'
/// case,
/// '_' and '/' do not matter. Throws InvalidArgument when there is none.
std::string choose_objective(const std::vector<std::string>& metrics);

/// Writes the table with the column names of Optuna: number, value or values_0 and values_1,
/// params_X, state, other metrics as user_attrs_X. read_trial_csv reads it back.
std::string format_trial_csv(const TrialTable& table);

/// Splits CSV (RFC 4180; a byte order mark is skipped) into rows of fields; empty lines are left
/// out. Throws DataLoss naming the row.
std::vector<std::vector<std::string>> split_csv(std::string_view text, const std::string& source);

}  // namespace jetcal::hpo
