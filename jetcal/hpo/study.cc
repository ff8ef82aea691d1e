// SPDX-License-Identifier: Apache-2.0
#include "jetcal/hpo/study.h"

#include <array>
#include <cmath>
#include <limits>
#include <nlohmann/json.hpp>
#include <set>
#include <utility>

#include "jetcal/base/error.h"

namespace jetcal::hpo {

using Json = nlohmann::ordered_json;

namespace {

constexpr std::array<std::pair<Parameter::Kind, const char*>, 4> kKinds{
    {{Parameter::Kind::Integer, "integer"},
     {Parameter::Kind::Float, "float"},
     {Parameter::Kind::Categorical, "categorical"},
     {Parameter::Kind::Discrete, "discrete"}}};

Json values_json(const std::vector<Value>& values) {
  Json list = Json::array();
  for (const Value& value : values) list.push_back(to_json(value));
  return list;
}

std::vector<Value> values_from_json(const Json& json) {
  std::vector<Value> values;
  for (const Json& value : json) values.push_back(value_from_json(value));
  return values;
}

Json parameter_json(const Parameter& parameter) {
  Json json{{"name", parameter.name}};
  for (const auto& [kind, word] : kKinds) {
    if (kind == parameter.kind) json["type"] = word;
  }
  if (parameter.kind == Parameter::Kind::Integer || parameter.kind == Parameter::Kind::Float) {
    json["low"] = parameter.low;
    json["high"] = parameter.high;
    if (parameter.step != 0) json["step"] = parameter.step;
    if (parameter.log) json["log"] = true;
  } else {
    json["choices"] = values_json(parameter.choices);
  }
  if (parameter.condition) {
    json["when"] = {{"parent", parameter.condition->parent},
                    {"values", values_json(parameter.condition->values)}};
  }
  return json;
}

Parameter parameter_from_json(const Json& json) {
  Parameter parameter;
  parameter.name = json.at("name");
  const std::string word = json.at("type");
  bool known = false;
  for (const auto& [kind, name] : kKinds) {
    if (word != name) continue;
    parameter.kind = kind;
    known = true;
  }
  if (!known) {
    fail(ErrorCode::InvalidArgument, "parameter ", parameter.name, ": unknown type '", word, "'");
  }
  parameter.low = json.value("low", parameter.low);
  parameter.high = json.value("high", parameter.high);
  parameter.step = json.value("step", 0.0);
  parameter.log = json.value("log", false);
  if (json.contains("choices")) parameter.choices = values_from_json(json.at("choices"));
  if (json.contains("when")) {
    parameter.condition =
        Condition{json["when"].at("parent"), values_from_json(json["when"].at("values"))};
  }
  return parameter;
}

Json settings_json(const Settings& settings) {
  Json json = Json::object();
  for (const auto& [name, value] : settings) json[name] = value;
  return json;
}

Settings settings_from_json(const Json& json) {
  Settings settings;
  for (const auto& [name, value] : json.items()) settings[name] = value.get<std::string>();
  return settings;
}

Json limits_json(const StudyLimits& limits) {
  Json json{{"trials", limits.trials},
            {"resource", limits.resource},
            {"failed_trials", limits.failed_trials},
            {"hours", limits.hours}};
  if (limits.goal) json["goal"] = *limits.goal;
  return json;
}

StudyLimits limits_from_json(const Json& json) {
  StudyLimits limits;
  limits.trials = json.value("trials", limits.trials);
  limits.resource = json.value("resource", limits.resource);
  limits.failed_trials = json.value("failed_trials", limits.failed_trials);
  limits.hours = json.value("hours", limits.hours);
  if (json.contains("goal")) limits.goal = json["goal"].get<double>();
  return limits;
}

}  // namespace

void validate(const StudyDefinition& definition) {
  const auto at_least_zero = [](const char* field, double value) {
    if (!(value >= 0))
      fail(ErrorCode::InvalidArgument, field, " must not be negative, got ", value);
    if (!std::isfinite(value))
      fail(ErrorCode::InvalidArgument, field, " must be a finite number, or 0 for no limit");
  };
  if (definition.objectives.empty() || definition.objectives.size() > 2) {
    fail(ErrorCode::InvalidArgument, "a study has one or two objectives, got ",
         definition.objectives.size());
  }
  std::set<std::string> metrics;
  for (const Objective& objective : definition.objectives) {
    if (objective.metric.empty() || !metrics.insert(objective.metric).second) {
      fail(ErrorCode::InvalidArgument, "objectives: the metric '", objective.metric,
           "' is empty or named twice");
    }
  }
  for (const Constraint& constraint : definition.constraints) {
    if (constraint.metric.empty() || !std::isfinite(constraint.limit))
      fail(ErrorCode::InvalidArgument, "constraints: '", constraint.metric, "' needs a metric ",
           "and a finite limit");
  }
  const StudyLimits& limits = definition.limits;
  at_least_zero("limits.trials", static_cast<double>(limits.trials));
  at_least_zero("limits.resource", static_cast<double>(limits.resource));
  at_least_zero("limits.failed_trials", static_cast<double>(limits.failed_trials));
  at_least_zero("limits.hours", limits.hours);
  if (limits.goal && !std::isfinite(*limits.goal))
    fail(ErrorCode::InvalidArgument, "limits.goal must be a finite number, got ", *limits.goal);
}

Json to_json(const Value& value) {
  return std::visit([](const auto& held) { return Json(held); }, value);
}

Value value_from_json(const Json& json) {
  if (json.is_number_integer()) return json.get<std::int64_t>();
  if (json.is_number()) return json.get<double>();
  if (json.is_string()) return json.get<std::string>();
  fail(ErrorCode::InvalidArgument, "a value of a parameter must be a number or a word, got ",
       json.dump());
}

Json to_json(const Assignment& values) {
  Json json = Json::object();
  for (const auto& [name, value] : values) json[name] = to_json(value);
  return json;
}

Assignment assignment_from_json(const Json& json) {
  Assignment values;
  for (const auto& [name, value] : json.items()) values[name] = value_from_json(value);
  return values;
}

Json to_json(const std::vector<double>& values) {
  Json json = Json::array();
  for (const double value : values) json.push_back(std::isfinite(value) ? Json(value) : Json());
  return json;
}

std::vector<double> numbers_from_json(const Json& json) {
  std::vector<double> values;
  for (const Json& value : json) {
    values.push_back(value.is_null() ? std::numeric_limits<double>::quiet_NaN()
                                     : value.get<double>());
  }
  return values;
}

Json to_json(const SearchSpace& space) {
  Json json = Json::array();
  for (const Parameter& parameter : space.parameters()) json.push_back(parameter_json(parameter));
  return json;
}

SearchSpace space_from_json(const Json& json) {
  std::vector<Parameter> parameters;
  for (const Json& parameter : json) parameters.push_back(parameter_from_json(parameter));
  return SearchSpace(std::move(parameters));
}

Json to_json(const StudyDefinition& definition) {
  Json json{{"name", definition.name}, {"parameters", to_json(definition.space)}};
  json["objectives"] = Json::array();
  for (const Objective& objective : definition.objectives) {
    json["objectives"].push_back(
        {{"metric", objective.metric}, {"goal", objective.maximise ? "maximise" : "minimise"}});
  }
  json["constraints"] = Json::array();
  for (const Constraint& constraint : definition.constraints) {
    json["constraints"].push_back(
        {{"metric", constraint.metric},
         {constraint.at_most ? "at_most" : "at_least", constraint.limit}});
  }
  json["outcome"] = definition.outcome == ReportChoice::Best ? "best" : "last";
  json["algorithm"] = definition.algorithm;
  json["settings"] = settings_json(definition.settings);
  json["early_stopping"] = definition.early_stopping;
  json["early_stopping_settings"] = settings_json(definition.early_stopping_settings);
  json["seed"] = definition.seed;
  json["limits"] = limits_json(definition.limits);
  return json;
}

StudyDefinition definition_from_json(const Json& json) {
  StudyDefinition definition;
  definition.name = json.at("name");
  definition.space = space_from_json(json.at("parameters"));
  for (const Json& objective : json.at("objectives"))
    definition.objectives.push_back({objective.at("metric"), objective.at("goal") == "maximise"});
  for (const Json& constraint : json.value("constraints", Json::array())) {
    const bool at_most = constraint.contains("at_most");
    definition.constraints.push_back(
        {constraint.at("metric"), constraint.at(at_most ? "at_most" : "at_least"), at_most});
  }
  definition.outcome =
      json.value("outcome", "last") == "best" ? ReportChoice::Best : ReportChoice::Last;
  definition.algorithm = json.value("algorithm", definition.algorithm);
  definition.settings = settings_from_json(json.value("settings", Json::object()));
  definition.early_stopping = json.value("early_stopping", "");
  definition.early_stopping_settings =
      settings_from_json(json.value("early_stopping_settings", Json::object()));
  definition.seed = json.value("seed", definition.seed);
  definition.limits = limits_from_json(json.value("limits", Json::object()));
  return definition;
}

std::string first_difference(const StudyDefinition& a, const StudyDefinition& b) {
  Json left = to_json(a), right = to_json(b);
  left.erase("limits");
  right.erase("limits");
  for (const auto& [name, value] : left.items()) {
    if (right.at(name) != value) return name;
  }
  return "";
}

}  // namespace jetcal::hpo
