// SPDX-License-Identifier: Apache-2.0
// What a study is: space, objectives, constraints, algorithm and limits.
#pragma once

#include <cstdint>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <vector>

#include "jetcal/hpo/algorithm.h"

namespace jetcal::hpo {

/// Bounds a metric that is not to be made better, such as latency.
struct Constraint {
  std::string metric;
  double limit = 0;
  bool at_most = true;  ///< Else at least.
  /// Returns how far a value is beyond the limit; at most 0 is good.
  double excess(double value) const noexcept { return at_most ? value - limit : limit - value; }
};

/// Which of a trial's reports is its result.
enum class ReportChoice { Last, Best };

/// Ends a study. Numbers of 0 set no limit.
struct StudyLimits {
  std::int64_t trials = 60;        ///< Trials proposed; those promoted later count once.
  std::int64_t resource = 0;       ///< Epochs, or what the resource is, over all trials.
  std::int64_t failed_trials = 0;  ///< Trials failed for good.
  double hours = 0;                ///< Since the study was made.
  std::optional<double> goal;      ///< Value of the first objective to reach.
};

/// Describes a study. All but the limits are the same for its whole life.
struct StudyDefinition {
  std::string name = "study";
  SearchSpace space = SearchSpace::preset("paper-pfn");
  std::vector<Objective> objectives;  ///< One or two.
  std::vector<Constraint> constraints;
  ReportChoice outcome = ReportChoice::Last;
  std::string algorithm = "random";
  Settings settings;
  std::string early_stopping;  ///< Name for make_early_stopping(); empty: none.
  Settings early_stopping_settings;
  std::uint64_t seed = 1;
  StudyLimits limits;
};

/// Throws InvalidArgument naming the field, for objectives, constraints and limits alike.
void validate(const StudyDefinition& definition);

/// Parameters, values and definitions as JSON, as the study file and exports hold them.
nlohmann::ordered_json to_json(const SearchSpace& space);
SearchSpace space_from_json(const nlohmann::ordered_json& json);
nlohmann::ordered_json to_json(const Value& value);
Value value_from_json(const nlohmann::ordered_json& json);
nlohmann::ordered_json to_json(const Assignment& values);
Assignment assignment_from_json(const nlohmann::ordered_json& json);
/// A number that is not finite is null.
nlohmann::ordered_json to_json(const std::vector<double>& values);
std::vector<double> numbers_from_json(const nlohmann::ordered_json& json);
nlohmann::ordered_json to_json(const StudyDefinition& definition);
StudyDefinition definition_from_json(const nlohmann::ordered_json& json);

/// Names the first field, limits apart, in which two definitions differ; empty when they agree.
std::string first_difference(const StudyDefinition& a, const StudyDefinition& b);

}  // namespace jetcal::hpo
