// SPDX-License-Identifier: Apache-2.0
// The numbers of a study's report: what the hyperparameters have to do with the result.
#pragma once

#include <map>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <vector>

#include "jetcal/hpo/trial_table.h"

namespace jetcal::hpo {

/// A numeric hyperparameter against the score. Trials without it (a condition does not hold) or
/// without a result do not count.
struct ParameterNumbers {
  std::string name;
  std::size_t trials = 0;
  double pearson = 0, spearman = 0, kendall = 0;  ///< With the score; not a number where constant.
  double lower_mean = 0;  ///< Mean of the parameter where the loss is in its best quarter.
  double upper_mean = 0;  ///< Likewise in its worst quarter.
};

/// The losses of the trials that share one value of a categorical hyperparameter.
struct CategoryNumbers {
  std::string value;
  std::size_t trials = 0;
  double best = 0, mean = 0, median = 0, worst = 0;
};

/// What a report says of the first objective.
struct StudyNumbers {
  std::string metric;
  bool maximise = false;
  /// What the parameters are correlated with: 1 / loss for a loss that is positive everywhere (as
  /// the paper does), else the loss with its sign turned, or the metric itself where more is
  /// better.
  std::string score;
  std::size_t trials = 0;  ///< All; `counted` of them ended with a finite result.
  std::size_t counted = 0;
  std::map<std::string, std::size_t> states;
  std::vector<ParameterNumbers> numeric;
  std::map<std::string, std::string> constant;  ///< Parameters with one value in all trials.
  std::map<std::string, std::vector<CategoryNumbers>> categorical;  ///< Best median first.
  double lower_quartile = 0, upper_quartile = 0;  ///< Of the loss: best and worst quarter begin.
  std::vector<std::size_t> best;    ///< Rows of the table, best first; feasible before others.
  std::vector<std::size_t> pareto;  ///< With two objectives: rows that no other beats in both.
};

/// Computes the numbers; `num_best` rows in `best`. Throws InvalidArgument naming the source when
/// fewer than two trials have a result.
StudyNumbers study_numbers(const TrialTable& table, std::size_t num_best = 10);

/// The document of `jetcal tune report --json`.
nlohmann::ordered_json to_json(const StudyNumbers& numbers, const TrialTable& table);

/// The same as tables for a terminal.
std::string to_text(const StudyNumbers& numbers, const TrialTable& table);

/// The final value of a metric of a trial that ended with one; nothing otherwise.
std::optional<double> result_of(const TableTrial& trial, const std::string& metric);

/// A value as a number; nothing for a word.
std::optional<double> number_of(const Value& value);

}  // namespace jetcal::hpo
