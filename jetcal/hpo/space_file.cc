// SPDX-License-Identifier: Apache-2.0
// Search spaces as YAML: SearchSpace::from_config and dump.
#include <algorithm>
#include <array>
#include <cmath>
#include <utility>

#include "jetcal/base/error.h"
#include "jetcal/hpo/space.h"

namespace jetcal::hpo {

namespace {

constexpr std::array<std::pair<const char*, Parameter::Kind>, 4> kKinds{{
    {"integer", Parameter::Kind::Integer},
    {"float", Parameter::Kind::Float},
    {"categorical", Parameter::Kind::Categorical},
    {"discrete", Parameter::Kind::Discrete},
}};
constexpr std::array<const char*, 7> kFields{"type", "low",     "high", "step",
                                             "log",  "choices", "when"};

bool is_range(Parameter::Kind kind) {
  return kind == Parameter::Kind::Integer || kind == Parameter::Kind::Float;
}

// A quoted scalar is a word whatever it looks like.
Value value_of(const YAML::Node& node) {
  if (node.Tag() != "!") {
    std::int64_t whole = 0;
    if (YAML::convert<std::int64_t>::decode(node, whole)) return whole;
    double real = 0;
    if (YAML::convert<double>::decode(node, real) && std::isfinite(real)) return real;
  }
  return node.Scalar();
}

// Reads one entry of `parameters`; every mistake names the file, the line and the parameter.
class ParameterReader {
 public:
  ParameterReader(const Config& config, std::string name, const YAML::Node& node)
      : config_(config), name_(std::move(name)), node_(node) {
    if (!node_.IsMap()) wrong(node_, "must be a mapping with a type");
    for (const auto& entry : node_) {
      const std::string field = entry.first.Scalar();
      if (std::find(kFields.begin(), kFields.end(), field) == kFields.end())
        wrong(entry.first, "has an unknown field '", field, "'");
    }
  }

  Parameter read() {
    Parameter parameter;
    parameter.name = name_;
    parameter.kind = kind();
    if (is_range(parameter.kind)) {
      refuse("choices", "is for categorical and discrete ones");
      parameter.low = number("low");
      parameter.high = number("high");
      if (node_["step"].IsDefined()) {
        parameter.step = number("step");
        if (parameter.step <= 0) wrong(node_["step"], "needs a step above 0");
      }
      parameter.log = flag("log");
    } else {
      for (const char* field : {"low", "high", "step", "log"})
        refuse(field, "is for integer and float ones");
      parameter.choices = values(node_["choices"], "choices");
    }
    if (node_["when"].IsDefined()) parameter.condition = condition(node_["when"]);
    return parameter;
  }

 private:
  template <typename... Parts>
  [[noreturn]] void wrong(const YAML::Node& node, const Parts&... what) const {
    fail(ErrorCode::InvalidArgument, config_.source(), ":", node.Mark().line + 1,
         ": the parameter '", name_, "' ", what...);
  }

  void refuse(const char* field, const char* why) const {
    if (node_[field].IsDefined()) wrong(node_[field], "has a field '", field, "', which ", why);
  }

  Parameter::Kind kind() const {
    const YAML::Node type = node_["type"];
    if (!type.IsDefined() || !type.IsScalar())
      wrong(node_, "needs a type: integer, float, categorical or discrete");
    for (const auto& [word, kind] : kKinds)
      if (type.Scalar() == word) return kind;
    wrong(type, "has the unknown type '", type.Scalar(),
          "'; there are integer, float, categorical and discrete");
  }

  double number(const char* field) const {
    const YAML::Node node = node_[field];
    if (!node.IsDefined()) wrong(node_, "needs a field '", field, "'");
    double value = 0;
    if (!node.IsScalar() || !YAML::convert<double>::decode(node, value))
      wrong(node, "has a field '", field, "' that is no number");
    return value;
  }

  bool flag(const char* field) const {
    const YAML::Node node = node_[field];
    bool value = false;
    if (node.IsDefined() && !YAML::convert<bool>::decode(node, value))
      wrong(node, "has a field '", field, "' that is neither true nor false");
    return value;
  }

  std::vector<Value> values(const YAML::Node& list, const char* field) const {
    if (!list.IsDefined() || !list.IsSequence())
      wrong(list.IsDefined() ? list : node_, "needs a list of '", field, "'");
    std::vector<Value> values;
    for (const YAML::Node& item : list) {
      if (!item.IsScalar()) wrong(item, "has an entry in '", field, "' that is no single value");
      values.push_back(value_of(item));
    }
    return values;
  }

  Condition condition(const YAML::Node& when) const {
    if (!when.IsMap() || when.size() != 1)
      wrong(when, "has a field 'when' that is not one parent with its values");
    Condition condition;
    condition.parent = when.begin()->first.Scalar();
    const YAML::Node allowed = when.begin()->second;
    if (allowed.IsScalar()) {
      condition.values.push_back(value_of(allowed));
    } else {
      condition.values = values(allowed, "when");
    }
    return condition;
  }

  const Config& config_;
  std::string name_;
  YAML::Node node_;
};

void write_value(YAML::Emitter& out, const Value& value) {
  const std::string text = to_string(value);
  if (std::holds_alternative<std::string>(value)) {
    out << YAML::DoubleQuoted << text;
  } else {
    out << text;
  }
}

void write_values(YAML::Emitter& out, const std::vector<Value>& values) {
  out << YAML::Flow << YAML::BeginSeq;
  for (const Value& value : values) write_value(out, value);
  out << YAML::EndSeq;
}

void write_parameter(YAML::Emitter& out, const Parameter& parameter) {
  const auto number = [&out](const char* field, double value) {
    out << YAML::Key << field << YAML::Value << to_string(Value(value));
  };
  out << YAML::Key << parameter.name << YAML::Value << YAML::Flow << YAML::BeginMap;
  for (const auto& [word, kind] : kKinds)
    if (kind == parameter.kind) out << YAML::Key << "type" << YAML::Value << word;
  if (is_range(parameter.kind)) {
    number("low", parameter.low);
    number("high", parameter.high);
    if (parameter.step > 0) number("step", parameter.step);
    if (parameter.log) out << YAML::Key << "log" << YAML::Value << true;
  } else {
    out << YAML::Key << "choices" << YAML::Value;
    write_values(out, parameter.choices);
  }
  if (parameter.condition) {
    out << YAML::Key << "when" << YAML::Value << YAML::Flow << YAML::BeginMap;
    out << YAML::Key << parameter.condition->parent << YAML::Value;
    write_values(out, parameter.condition->values);
    out << YAML::EndMap;
  }
  out << YAML::EndMap;
}

}  // namespace

SearchSpace SearchSpace::from_config(const Config& config, const std::string& section) {
  const std::string field = section.empty() ? "parameters" : section + ".parameters";
  const auto node = config.require<YAML::Node>(field);
  if (!node.IsMap() || node.size() == 0)
    fail(ErrorCode::InvalidArgument, config.source(), ":", node.Mark().line + 1, ": the field '",
         field, "' must map the names of parameters to what they can be");
  std::vector<Parameter> parameters;
  for (const auto& entry : node)
    parameters.push_back(ParameterReader(config, entry.first.Scalar(), entry.second).read());
  return SearchSpace(std::move(parameters));
}

std::string SearchSpace::dump() const {
  YAML::Emitter out;
  out << YAML::BeginMap << YAML::Key << "parameters" << YAML::Value << YAML::BeginMap;
  for (const Parameter& parameter : parameters_) write_parameter(out, parameter);
  out << YAML::EndMap << YAML::EndMap;
  return std::string(out.c_str()) + "\n";
}

}  // namespace jetcal::hpo
