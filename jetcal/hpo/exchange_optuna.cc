// SPDX-License-Identifier: Apache-2.0
// Reads Optuna's journal.
#include <algorithm>
#include <cmath>
#include <cstdio>
#include <ctime>
#include <limits>
#include <map>
#include <nlohmann/json.hpp>
#include <optional>
#include <sstream>

#include "jetcal/base/error.h"
#include "jetcal/hpo/detail/optuna_journal.h"
#include "jetcal/hpo/exchange.h"

namespace jetcal::hpo {

using namespace detail;  // NOLINT: the numbers of the journal
using Json = nlohmann::ordered_json;

namespace {

struct JournalTrial {
  std::int64_t study = 0;
  int state = kRunning;
  std::map<std::string, Json> values;         // internal
  std::map<std::string, Json> distributions;  // as JSON documents
  std::vector<double> objectives;
  std::map<std::int64_t, double> course;
  Json user = Json::object(), system = Json::object();
  double started = 0, ended = 0;
};

struct JournalStudy {
  std::string name;
  std::vector<int> directions;
  Json user = Json::object(), system = Json::object();
  bool deleted = false;
};

struct Journal {
  std::vector<JournalStudy> studies;
  std::vector<JournalTrial> trials;
};

double seconds_of(const Json& time) {
  if (!time.is_string()) return 0;
  int year = 0, month = 0, day = 0, hour = 0, minute = 0, zone_hour = 0, zone_minute = 0;
  double second = 0;
  char sign = '+';
  const std::string& text = time.get_ref<const std::string&>();
  if (std::sscanf(text.c_str(), "%d-%d-%dT%d:%d:%lf%c%d:%d", &year, &month, &day, &hour, &minute,
                  &second, &sign, &zone_hour, &zone_minute) < 6) {
    return 0;
  }
  std::tm parts{};
  parts.tm_year = year - 1900;
  parts.tm_mon = month - 1;
  parts.tm_mday = day;
  parts.tm_hour = hour;
  parts.tm_min = minute;
  const double zone = (sign == '-' ? -60.0 : 60.0) * (60 * zone_hour + zone_minute);
  return static_cast<double>(::timegm(&parts)) + second - zone;
}

void read_new_trial(const Json& line, JournalTrial& trial) {
  trial.study = line.at("study_id");
  trial.state = line.value("state", static_cast<int>(kRunning));
  trial.started = seconds_of(line.at("datetime_start"));
  if (line.contains("datetime_complete")) trial.ended = seconds_of(line["datetime_complete"]);
  const Json distributions = line.value("distributions", Json::object());  // outlive items()
  const Json params = line.value("params", Json::object());
  const Json course = line.value("intermediate_values", Json::object());
  for (const auto& [name, value] : distributions.items())
    trial.distributions[name] = Json::parse(value.get<std::string>());
  for (const auto& [name, value] : params.items()) trial.values[name] = value;
  if (line.contains("values") && line["values"].is_array())
    trial.objectives = numbers_from_json(line["values"]);
  if (line.contains("value") && line["value"].is_number()) trial.objectives = {line["value"]};
  trial.user = line.value("user_attrs", Json::object());
  trial.system = line.value("system_attrs", Json::object());
  for (const auto& [step, value] : course.items())
    if (value.is_number()) trial.course[std::stoll(step)] = value.get<double>();
}

void change_trial(const Json& line, JournalTrial& trial) {
  // Optuna ignores what comes after the end of a trial.
  if (trial.state == kComplete || trial.state == kPruned || trial.state == kFailed) return;
  switch (line.at("op_code").get<int>()) {
    case kSetParameter: {
      const std::string name = line.at("param_name");
      trial.values[name] = line.at("param_value_internal");
      trial.distributions[name] = Json::parse(line.at("distribution").get<std::string>());
      break;
    }
    case kSetState:
      trial.state = line.at("state");
      if (line.contains("datetime_start")) trial.started = seconds_of(line["datetime_start"]);
      if (line.contains("datetime_complete")) trial.ended = seconds_of(line["datetime_complete"]);
      if (line.at("values").is_array()) trial.objectives = numbers_from_json(line["values"]);
      break;
    case kSetIntermediate:
      if (line.at("intermediate_value").is_number())
        trial.course[line.at("step").get<std::int64_t>()] = line["intermediate_value"];
      break;
    case kSetUserAttribute:
      trial.user.update(line.at("user_attr"));
      break;
    case kSetSystemAttribute:
      trial.system.update(line.at("system_attr"));
      break;
    default:
      break;
  }
}

void apply(const Json& line, Journal& journal) {
  const int operation = line.at("op_code");
  if (operation == kCreateStudy) {
    JournalStudy study{line.at("study_name"), line.at("directions").get<std::vector<int>>()};
    for (const JournalStudy& other : journal.studies)
      if (!other.deleted && other.name == study.name) return;  // as Optuna does
    journal.studies.push_back(std::move(study));
    return;
  }
  if (operation <= kCreateTrial) {
    const auto id = line.at("study_id").get<std::size_t>();
    if (id >= journal.studies.size() || journal.studies[id].deleted) return;
    JournalStudy& study = journal.studies[id];
    if (operation == kDeleteStudy) study.deleted = true;
    if (operation == kSetStudyUserAttribute) study.user.update(line.at("user_attr"));
    if (operation == kSetStudySystemAttribute) study.system.update(line.at("system_attr"));
    if (operation == kCreateTrial) {
      journal.trials.emplace_back();
      read_new_trial(line, journal.trials.back());
    }
    return;
  }
  if (operation > kSetSystemAttribute) return;  // of other programs; Optuna skips it too
  const auto id = line.at("trial_id").get<std::size_t>();
  if (id < journal.trials.size()) change_trial(line, journal.trials[id]);
}

Journal read_journal(const std::string& text) {
  Journal journal;
  std::istringstream lines(text);
  std::int64_t number = 0;
  for (std::string line; std::getline(lines, line);) {
    ++number;
    if (line.empty()) continue;
    const Json json = Json::parse(line, nullptr, /*allow_exceptions=*/false);
    // A writer that was killed leaves half a line at the end.
    if (json.is_discarded() && lines.peek() == std::istringstream::traits_type::eof()) break;
    try {
      if (json.is_discarded() || !json.contains("op_code"))
        fail(ErrorCode::InvalidArgument, "it is no operation of a journal");
      apply(json, journal);
    } catch (const std::exception& error) {
      fail(ErrorCode::InvalidArgument, "line ", number, " of the journal: ", error.what());
    }
  }
  return journal;
}

Parameter parameter_of(const std::string& name, const Json& distribution) {
  const std::string kind = distribution.at("name");
  const Json& attributes = distribution.at("attributes");
  Parameter parameter;
  parameter.name = name;
  if (kind == "CategoricalDistribution") {
    parameter.kind = Parameter::Kind::Categorical;
    for (const Json& choice : attributes.at("choices")) {
      parameter.choices.push_back(choice.is_number() || choice.is_string() ? value_from_json(choice)
                                                                           : Value(choice.dump()));
    }
    return parameter;
  }
  // Names before Optuna 3 are in journals of that time.
  const bool integer = kind.starts_with("Int");
  if (!integer && kind != "FloatDistribution" && !kind.ends_with("UniformDistribution"))
    fail(ErrorCode::InvalidArgument, "the parameter '", name, "' has an unknown ", kind);
  parameter.kind = integer ? Parameter::Kind::Integer : Parameter::Kind::Float;
  parameter.low = attributes.at("low");
  parameter.high = attributes.at("high");
  parameter.log = attributes.value("log", kind.find("LogUniform") != std::string::npos);
  if (attributes.contains("step") && attributes["step"].is_number())
    parameter.step = attributes["step"];
  if (parameter.log || (integer && parameter.step == 1)) parameter.step = 0;
  return parameter;
}

Value external_value(const Parameter& parameter, const Json& internal) {
  if (!parameter.choices.empty()) return parameter.choices.at(internal.get<std::size_t>());
  if (parameter.kind == Parameter::Kind::Integer)
    return static_cast<std::int64_t>(std::llround(internal.get<double>()));
  return internal.get<double>();
}

// Optuna lets ranges differ from trial to trial.
void widen(Parameter& known, const Parameter& other, ImportedStudy& study) {
  if (known.kind == other.kind && known.low == other.low && known.high == other.high &&
      known.step == other.step && known.log == other.log && known.choices == other.choices) {
    return;
  }
  if (known.kind != other.kind || !known.choices.empty()) {
    fail(ErrorCode::InvalidArgument, "the parameter '", known.name,
         "' has different kinds or choices in different trials");
  }
  known.low = std::min(known.low, other.low);
  known.high = std::max(known.high, other.high);
  known.log = known.log && other.log;
  if (known.step != other.step) known.step = 0;
  const std::string note =
      "the range of " + known.name + " differs between trials; the widest one is taken";
  if (std::ranges::find(study.notes, note) == study.notes.end()) study.notes.push_back(note);
}

// Values of `parent` in trials with and without a parameter, where the two have none in common.
std::optional<std::vector<Value>> values_with(const std::vector<JournalTrial>& trials,
                                              const std::string& name, const Parameter& parent) {
  std::vector<Value> with, without;
  for (const JournalTrial& trial : trials) {
    const auto value = trial.values.find(parent.name);
    if (value == trial.values.end()) return std::nullopt;
    std::vector<Value>& side = trial.values.contains(name) ? with : without;
    const Value external = external_value(parent, value->second);
    if (std::find(side.begin(), side.end(), external) == side.end()) side.push_back(external);
  }
  for (const Value& value : with)
    if (std::find(without.begin(), without.end(), value) != without.end()) return std::nullopt;
  return with;
}

// A journal has no conditions: a parameter that some trials lack depends on a choice that tells
// them apart.
void find_conditions(const std::vector<JournalTrial>& trials, std::vector<Parameter>& parameters,
                     ImportedStudy& study) {
  std::stable_partition(parameters.begin(), parameters.end(), [&](const Parameter& parameter) {
    return std::all_of(trials.begin(), trials.end(), [&](const JournalTrial& trial) {
      return trial.values.contains(parameter.name);
    });
  });
  for (Parameter& parameter : parameters) {
    for (const Parameter& parent : parameters) {
      if (&parent == &parameter) break;  // parents come first
      const bool chosen = !parent.choices.empty() || parent.kind == Parameter::Kind::Integer;
      const auto values = chosen ? values_with(trials, parameter.name, parent) : std::nullopt;
      const bool always = std::all_of(trials.begin(), trials.end(), [&](const JournalTrial& trial) {
        return trial.values.contains(parameter.name);
      });
      if (!values || always) continue;
      parameter.condition = Condition{parent.name, *values};
      study.notes.push_back("the parameter " + parameter.name + " is taken to depend on " +
                            parent.name);
      break;
    }
  }
}

SearchSpace space_of(const std::vector<JournalTrial>& trials, ImportedStudy& study) {
  std::vector<Parameter> parameters;
  for (const JournalTrial& trial : trials) {
    for (const auto& [name, distribution] : trial.distributions) {
      const Parameter parameter = parameter_of(name, distribution);
      const auto known =
          std::find_if(parameters.begin(), parameters.end(),
                       [&](const Parameter& other) { return other.name == parameter.name; });
      if (known == parameters.end()) {
        parameters.push_back(parameter);
      } else {
        widen(*known, parameter, study);
      }
    }
  }
  if (parameters.empty())
    fail(ErrorCode::InvalidArgument, "no trial of the journal has a parameter");
  find_conditions(trials, parameters, study);
  return SearchSpace(std::move(parameters));
}

TrialState our_state(const JournalTrial& trial) {
  if (trial.user.contains(kOurState)) {
    const TrialState ours = parse_trial_state(trial.user[kOurState].get<std::string>());
    if (static_cast<int>(journal_state(ours)) == trial.state) return ours;
    // Else Optuna has run it since.
  }
  switch (trial.state) {
    case kComplete:
      return TrialState::Complete;
    case kPruned:
      return TrialState::Stopped;
    case kFailed:
      return TrialState::Failed;
    default:
      return TrialState::Waiting;  // whoever ran it is not here
  }
}

void add_trial(const JournalTrial& from, const SearchSpace& space, ImportedStudy& study) {
  Trial trial;
  trial.number = std::ssize(study.trials);
  trial.state = our_state(from);
  if (trial.state == TrialState::Running) trial.state = TrialState::Waiting;
  for (const auto& [name, value] : from.values) {
    const Parameter* const parameter = space.find(name);
    if (parameter == nullptr) {
      fail(ErrorCode::InvalidArgument, "a trial has the parameter '", name,
           "', which the study does not have");
    }
    trial.values[name] = external_value(*parameter, value);
  }
  for (const Parameter& parameter : space.parameters()) {
    if (space.active(parameter, trial.values) && !trial.values.contains(parameter.name)) {
      study.notes.push_back("a trial without a value of " + parameter.name + " was left out");
      return;
    }
  }
  if (trial.state == TrialState::Complete) trial.objectives = from.objectives;
  for (const auto& [step, value] : from.course) {
    std::vector<double> objectives(study.definition.objectives.size(),
                                   std::numeric_limits<double>::quiet_NaN());
    objectives.front() = value;
    trial.course.push_back({step, std::move(objectives)});
  }
  if (from.system.contains("constraints") && from.system["constraints"].is_array())
    trial.constraints = numbers_from_json(from.system["constraints"]);
  trial.budget = from.user.value("budget", std::int64_t{0});
  trial.bracket = from.user.value("bracket", std::int64_t{0});
  TrialRecord record;
  record.created = record.started = from.started;
  record.ended = from.ended;
  record.seconds = std::max(0.0, from.ended - from.started);
  record.last = from.user.value("last", true);
  record.attempts = from.user.value("attempts", std::int64_t{1});
  record.error = from.user.value("error", "");
  for (const auto& [name, value] : from.user.items()) {
    if (name.starts_with("metric:") && value.is_number())
      record.metrics[name.substr(7)] = value.get<double>();
  }
  study.trials.push_back(std::move(trial));
  study.records.push_back(std::move(record));
}

std::size_t choose_study(const Journal& journal, const std::string& name) {
  std::string names;
  std::vector<std::size_t> found;
  for (std::size_t i = 0; i < journal.studies.size(); ++i) {
    if (journal.studies[i].deleted) continue;
    names += (names.empty() ? "" : ", ") + journal.studies[i].name;
    if (name.empty() || journal.studies[i].name == name) found.push_back(i);
  }
  if (found.size() == 1) return found.front();
  if (found.empty()) {
    fail(ErrorCode::NotFound, "the journal has no study ", name.empty() ? "at all" : name,
         names.empty() ? "" : "; it has ", names);
  }
  fail(ErrorCode::InvalidArgument, "the journal has several studies, name one of ", names);
}

ImportedStudy import_study(const Journal& journal, const std::string& name) {
  const std::size_t id = choose_study(journal, name);
  const JournalStudy& from = journal.studies[id];
  std::vector<JournalTrial> trials;
  for (const JournalTrial& trial : journal.trials)
    if (trial.study == static_cast<std::int64_t>(id)) trials.push_back(trial);
  ImportedStudy study;
  if (from.user.contains(kOurStudy)) {
    study.definition = definition_from_json(from.user[kOurStudy]);
  } else {
    study.definition.name = from.name;
    const Json names = from.system.value("study:metric_names", Json::array());
    for (std::size_t i = 0; i < from.directions.size(); ++i) {
      const std::string fallback = i == 0 ? "objective" : "objective_" + std::to_string(i + 1);
      study.definition.objectives.push_back(
          {i < names.size() ? names[i].get<std::string>() : fallback, from.directions[i] == 2});
    }
    study.definition.space = space_of(trials, study);
  }
  for (const JournalTrial& trial : trials) add_trial(trial, study.definition.space, study);
  return study;
}

}  // namespace

ImportedStudy from_optuna_journal(const std::string& text, const std::string& name) {
  const Journal journal = read_journal(text);
  try {
    return import_study(journal, name);
  } catch (const Error&) {
    throw;
  } catch (const std::exception& error) {
    fail(ErrorCode::InvalidArgument, "the journal is not as Optuna writes it: ", error.what());
  }
}

}  // namespace jetcal::hpo
