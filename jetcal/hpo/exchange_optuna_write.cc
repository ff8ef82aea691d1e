// SPDX-License-Identifier: Apache-2.0
// Writes Optuna's journal: one JSON object a line, each an operation on the studies of the file.
#include <algorithm>
#include <array>
#include <cmath>
#include <cstdio>
#include <ctime>
#include <nlohmann/json.hpp>

#include "jetcal/hpo/detail/optuna_journal.h"
#include "jetcal/hpo/exchange.h"

namespace jetcal::hpo {

using namespace detail;  // NOLINT: the numbers of the journal
using Json = nlohmann::ordered_json;

namespace {

Json attributes(const Parameter& parameter) {
  const bool integer = parameter.kind == Parameter::Kind::Integer;
  const double step = parameter.step;
  Json json{{"log", parameter.log}};
  if (integer) {
    json["step"] = step > 0 ? static_cast<std::int64_t>(step) : 1;
    json["low"] = static_cast<std::int64_t>(parameter.low);
    json["high"] = static_cast<std::int64_t>(parameter.high);
  } else {
    json["step"] = step > 0 ? Json(step) : Json();
    json["low"] = parameter.low;
    json["high"] = parameter.high;
  }
  return json;
}

// Lists of numbers have an order that no distribution of Optuna has; a categorical one keeps all
// values.
Json distribution(const Parameter& parameter) {
  if (parameter.kind == Parameter::Kind::Integer)
    return {{"name", "IntDistribution"}, {"attributes", attributes(parameter)}};
  if (parameter.kind == Parameter::Kind::Float)
    return {{"name", "FloatDistribution"}, {"attributes", attributes(parameter)}};
  Json choices = Json::array();
  for (const Value& value : parameter.choices) choices.push_back(to_json(value));
  return {{"name", "CategoricalDistribution"}, {"attributes", {{"choices", choices}}}};
}

Json internal_value(const Parameter& parameter, const Value& value) {
  if (parameter.choices.empty()) {
    return std::holds_alternative<double>(value)
               ? std::get<double>(value)
               : static_cast<double>(std::get<std::int64_t>(value));
  }
  const auto found = std::find(parameter.choices.begin(), parameter.choices.end(), value);
  return found - parameter.choices.begin();
}

std::string iso_time(double seconds) {
  const auto whole = static_cast<std::time_t>(std::floor(seconds));
  std::tm parts{};
  ::gmtime_r(&whole, &parts);
  std::array<char, 64> day{}, fraction{};
  std::strftime(day.data(), day.size(), "%Y-%m-%dT%H:%M:%S", &parts);
  std::snprintf(fraction.data(), fraction.size(), ".%06d+00:00",
                static_cast<int>(1e6 * (seconds - std::floor(seconds))));
  return std::string(day.data()) + fraction.data();
}

Json intermediate(const Trial& trial) {
  Json values = Json::object();
  for (const Report& report : trial.course) {
    if (std::isfinite(report.objectives.front()))
      values[std::to_string(report.resource)] = report.objectives.front();
  }
  return values;
}

Json trial_line(const StudyStore& store, const Trial& trial) {
  const TrialRecord& record = store.records()[static_cast<std::size_t>(trial.number)];
  const JournalState state = journal_state(trial.state);
  const double started = record.started > 0 ? record.started : record.created;
  Json line{{"op_code", kCreateTrial},
            {"worker_id", "jetcal"},
            {"study_id", 0},
            {"datetime_start", state == kWaiting ? Json() : Json(iso_time(started))}};
  if (state == kComplete || state == kPruned || state == kFailed)
    line["datetime_complete"] = iso_time(std::max(record.ended, started));
  line["state"] = static_cast<int>(state);
  const bool several = trial.objectives.size() > 1;
  const bool one = trial.objectives.size() == 1 && state == kComplete;
  line["value"] = one ? Json(trial.objectives.front()) : Json();
  line["values"] = several && state == kComplete ? to_json(trial.objectives) : Json();
  line["distributions"] = Json::object();
  line["params"] = Json::object();
  for (const auto& [name, value] : trial.values) {
    const Parameter& parameter = *store.definition().space.find(name);
    line["distributions"][name] = distribution(parameter).dump();
    line["params"][name] = internal_value(parameter, value);
  }
  line["user_attrs"] = {{kOurState, to_string(trial.state)},
                        {"budget", trial.budget},
                        {"last", record.last},
                        {"bracket", trial.bracket},
                        {"attempts", record.attempts}};
  for (const auto& [name, value] : record.metrics)
    if (std::isfinite(value)) line["user_attrs"]["metric:" + name] = value;
  if (!record.error.empty()) line["user_attrs"]["error"] = record.error;
  line["system_attrs"] = Json::object();
  if (!trial.constraints.empty()) line["system_attrs"]["constraints"] = to_json(trial.constraints);
  // What is to be run with these values, as Optuna's enqueue_trial() says it.
  if (state == kWaiting) line["system_attrs"]["fixed_params"] = to_json(trial.values);
  line["intermediate_values"] =
      store.definition().objectives.size() == 1 ? intermediate(trial) : Json::object();
  return line;
}

}  // namespace

detail::JournalState detail::journal_state(TrialState state) {
  switch (state) {
    case TrialState::Waiting:
      return kWaiting;
    case TrialState::Running:
      return kRunning;
    case TrialState::Complete:
      return kComplete;
    case TrialState::Paused:
    case TrialState::Stopped:
      return kPruned;
    case TrialState::Failed:
      break;
  }
  return kFailed;
}

std::string to_optuna_journal(const StudyStore& store) {
  const StudyDefinition& definition = store.definition();
  Json directions = Json::array(), names = Json::array();
  for (const Objective& objective : definition.objectives) {
    directions.push_back(objective.maximise ? 2 : 1);
    names.push_back(objective.metric);
  }
  const auto study_line = [](int operation, const char* field, const Json& value) {
    return Json{{"op_code", operation}, {"worker_id", "jetcal"}, {"study_id", 0}, {field, value}}
               .dump() +
           "\n";
  };
  std::string text = Json{{"op_code", kCreateStudy},
                          {"worker_id", "jetcal"},
                          {"study_name", definition.name},
                          {"directions", directions}}
                         .dump() +
                     "\n";
  text += study_line(kSetStudySystemAttribute, "system_attr", {{"study:metric_names", names}});
  text += study_line(kSetStudyUserAttribute, "user_attr", {{kOurStudy, to_json(definition)}});
  for (const Trial& trial : store.history().trials) text += trial_line(store, trial).dump() + "\n";
  return text;
}

}  // namespace jetcal::hpo
