// SPDX-License-Identifier: Apache-2.0
#include "jetcal/hpo/space.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <set>

#include "jetcal/base/error.h"
#include "jetcal/base/number.h"

namespace jetcal::hpo {

namespace {

// A grid of steps is cut at `high`; this much of a step is rounding.
constexpr double kStepSlack = 1e-9;

std::optional<double> number_of(const Value& value) {
  if (const auto* integer = std::get_if<std::int64_t>(&value)) return static_cast<double>(*integer);
  if (const auto* real = std::get_if<double>(&value)) return *real;
  return std::nullopt;
}

// 1 and 1.0 are the same choice: programs that pass values as text do not keep the difference.
bool same(const Value& a, const Value& b) {
  const std::optional<double> x = number_of(a);
  const std::optional<double> y = number_of(b);
  return x && y ? *x == *y : a == b;
}

bool contains(const std::vector<Value>& values, const Value& value) {
  return std::any_of(values.begin(), values.end(),
                     [&value](const Value& other) { return same(value, other); });
}

bool is_whole(double x) { return x == std::floor(x) && std::abs(x) < 0x1.0p53; }

void check_range(const Parameter& parameter) {
  const auto wrong = [&parameter](const auto&... what) {
    fail(ErrorCode::InvalidArgument, "the parameter '", parameter.name, "' ", what...);
  };
  if (!std::isfinite(parameter.low) || !std::isfinite(parameter.high))
    wrong("needs finite bounds low and high");
  if (parameter.low > parameter.high)
    wrong("has low ", parameter.low, " above high ", parameter.high);
  if (parameter.log && parameter.low <= 0)
    wrong("is logarithmic, so low must be above 0, not ", parameter.low);
  if (!std::isfinite(parameter.step) || parameter.step < 0)
    wrong("needs a step above 0, not ", parameter.step);
  if (parameter.log && parameter.step > 0 &&
      !(parameter.kind == Parameter::Kind::Integer && parameter.step == 1))
    wrong("cannot have both a step and a logarithmic scale");
  if (parameter.kind != Parameter::Kind::Integer) return;
  if (!is_whole(parameter.low) || !is_whole(parameter.high) || !is_whole(parameter.step))
    wrong("is an integer, so low, high and step must be whole numbers");
}

void check_choices(Parameter& parameter) {
  const auto wrong = [&parameter](const auto&... what) {
    fail(ErrorCode::InvalidArgument, "the parameter '", parameter.name, "' ", what...);
  };
  if (parameter.choices.empty()) wrong("has no choices");
  if (parameter.kind == Parameter::Kind::Discrete) {
    for (const Value& choice : parameter.choices) {
      const std::optional<double> number = number_of(choice);
      if (!number || !std::isfinite(*number))
        wrong("is a list of numbers, which '", to_string(choice), "' is not");
    }
    std::sort(parameter.choices.begin(), parameter.choices.end(),
              [](const Value& a, const Value& b) { return *number_of(a) < *number_of(b); });
  }
  std::set<std::string> seen;
  for (const Value& choice : parameter.choices)
    if (!seen.insert(to_string(choice)).second)
      wrong("has the choice '", to_string(choice), "' twice");
}

bool on_step(const Parameter& parameter, double value) {
  if (parameter.step <= 0) return true;
  const double steps = (value - parameter.low) / parameter.step;
  return std::abs(steps - std::round(steps)) < kStepSlack * std::max(1.0, std::abs(steps));
}

bool in_range(const Parameter& parameter, const Value& value) {
  switch (parameter.kind) {
    case Parameter::Kind::Integer: {
      const auto* integer = std::get_if<std::int64_t>(&value);
      if (integer == nullptr) return false;
      const auto real = static_cast<double>(*integer);
      return real >= parameter.low && real <= parameter.high && on_step(parameter, real);
    }
    case Parameter::Kind::Float: {
      const std::optional<double> real = number_of(value);
      return real && *real >= parameter.low && *real <= parameter.high && on_step(parameter, *real);
    }
    case Parameter::Kind::Categorical:
    case Parameter::Kind::Discrete:
      return contains(parameter.choices, value);
  }
  return false;
}

// Tells whether the parent can take the value at all; a misspelt word would never come true.
void check_condition(const SearchSpace& space, const Parameter& parameter) {
  const Condition& condition = *parameter.condition;
  const Parameter* parent = space.find(condition.parent);
  if (parent == nullptr)
    fail(ErrorCode::InvalidArgument, "the parameter '", parameter.name, "' depends on '",
         condition.parent, "', which no parameter is called");
  if (parent >= &parameter)
    fail(ErrorCode::InvalidArgument, "the parameter '", parameter.name, "' depends on '",
         condition.parent, "', which must come before it");
  if (condition.values.empty())
    fail(ErrorCode::InvalidArgument, "the parameter '", parameter.name, "' needs values of '",
         condition.parent, "' under which it exists");
  for (const Value& value : condition.values)
    if (!in_range(*parent, value))
      fail(ErrorCode::InvalidArgument, "the parameter '", parameter.name, "' depends on '",
           condition.parent, "' being '", to_string(value), "', which it cannot be");
}

std::vector<Value> integers(std::initializer_list<std::int64_t> values) {
  return {values.begin(), values.end()};
}

Parameter integer(const char* name, double low, double high) {
  return {.name = name,
          .kind = Parameter::Kind::Integer,
          .low = low,
          .high = high,
          .choices = {},
          .condition = {}};
}

Parameter discrete(const char* name, std::vector<Value> choices) {
  return {.name = name,
          .kind = Parameter::Kind::Discrete,
          .choices = std::move(choices),
          .condition = {}};
}

// What both networks of the paper share at the end of their lists.
void append_training(std::vector<Parameter>& parameters) {
  parameters.push_back({.name = "dropout", .low = 0, .high = 0.5, .choices = {}, .condition = {}});
  parameters.push_back(
      {.name = "lr", .low = 1e-5, .high = 1e-2, .log = true, .choices = {}, .condition = {}});
  std::vector<Value> optimizers;
  for (const char* word : {"adam", "adamw", "adagrad", "rmsprop", "ranger"})
    optimizers.emplace_back(std::string(word));
  parameters.push_back({.name = "optimizer",
                        .kind = Parameter::Kind::Categorical,
                        .choices = std::move(optimizers),
                        .condition = {}});
}

}  // namespace

SearchSpace::SearchSpace(std::vector<Parameter> parameters) : parameters_(std::move(parameters)) {
  if (parameters_.empty()) fail(ErrorCode::InvalidArgument, "a search space needs a parameter");
  std::set<std::string> names;
  for (Parameter& parameter : parameters_) {
    if (parameter.name.empty())
      fail(ErrorCode::InvalidArgument, "a parameter of the search space has no name");
    if (!names.insert(parameter.name).second)
      fail(ErrorCode::InvalidArgument, "the parameter '", parameter.name, "' is there twice");
    const bool range =
        parameter.kind == Parameter::Kind::Integer || parameter.kind == Parameter::Kind::Float;
    if (range) {
      check_range(parameter);
      parameter.choices.clear();
    } else {
      check_choices(parameter);
    }
  }
  for (const Parameter& parameter : parameters_)
    if (parameter.condition) check_condition(*this, parameter);
}

SearchSpace SearchSpace::preset(const std::string& name) {
  std::vector<Parameter> list;
  if (name == "paper-pfn") {
    list.push_back(integer("particle_layers", 1, 5));
    list.push_back(discrete("particle_units", integers({50, 100, 200, 400})));
    list.push_back(integer("head_layers", 1, 5));
    list.push_back(discrete("head_units", integers({50, 100, 200, 400})));
  } else if (name == "paper-particlenet") {
    list.push_back(integer("edge_blocks", 1, 3));
    list.push_back(discrete("neighbors", integers({4, 8, 16})));
    list.push_back(integer("edge_layers", 1, 3));
    list.push_back(discrete("edge_units", integers({50, 100, 200})));
    list.push_back(integer("head_layers", 1, 3));
    list.push_back(discrete("head_units", integers({50, 100, 200})));
  } else {
    fail(ErrorCode::NotFound, "there is no search space '", name,
         "'; there are paper-pfn and paper-particlenet");
  }
  append_training(list);
  return SearchSpace(std::move(list));
}

const Parameter* SearchSpace::find(const std::string& name) const noexcept {
  for (const Parameter& parameter : parameters_)
    if (parameter.name == name) return &parameter;
  return nullptr;
}

bool SearchSpace::active(const Parameter& parameter, const Assignment& values) const {
  if (!parameter.condition) return true;
  const Parameter* parent = find(parameter.condition->parent);
  const auto value = values.find(parameter.condition->parent);
  return parent != nullptr && value != values.end() &&
         contains(parameter.condition->values, value->second) && active(*parent, values);
}

void SearchSpace::check(const Assignment& values) const {
  for (const Parameter& parameter : parameters_) {
    const auto value = values.find(parameter.name);
    const bool exists = active(parameter, values);
    if (exists && value == values.end())
      fail(ErrorCode::InvalidArgument, "the parameter '", parameter.name, "' has no value");
    if (!exists && value != values.end())
      fail(ErrorCode::InvalidArgument, "the parameter '", parameter.name,
           "' has a value, but its condition on '", parameter.condition->parent, "' does not hold");
    if (exists && !in_range(parameter, value->second))
      fail(ErrorCode::InvalidArgument, "the parameter '", parameter.name, "' cannot be '",
           to_string(value->second), "'");
  }
  for (const auto& [name, value] : values)
    if (find(name) == nullptr)
      fail(ErrorCode::InvalidArgument, "the search space has no parameter '", name, "'");
}

std::string to_string(const Value& value) {
  if (const auto* word = std::get_if<std::string>(&value)) return *word;
  std::array<char, 32> text{};
  const auto print = [&text](auto number) {
    const auto result = std::to_chars(text.data(), text.data() + text.size(), number);
    return std::string(text.data(), result.ptr);
  };
  if (const auto* whole = std::get_if<std::int64_t>(&value)) return print(*whole);
  return print(std::get<double>(value));
}

// 4 and 4.0 alike: tables written by other programs make every number of a column a float.
static std::optional<Value> number_value(const Parameter& parameter, const std::string& text) {
  const std::optional<double> real = parse_number<double>(text);
  if (!real || !std::isfinite(*real)) return std::nullopt;
  if (parameter.kind == Parameter::Kind::Integer) {
    if (const std::optional<std::int64_t> whole = parse_number<std::int64_t>(text)) return *whole;
    if (!is_whole(*real)) return std::nullopt;
    return static_cast<std::int64_t>(*real);
  }
  return *real;
}

Value parse_value(const Parameter& parameter, const std::string& text) {
  std::optional<Value> value;
  if (parameter.kind == Parameter::Kind::Integer || parameter.kind == Parameter::Kind::Float) {
    value = number_value(parameter, text);
  } else {
    const std::optional<double> number = parse_number<double>(text);
    for (const Value& choice : parameter.choices)
      if (to_string(choice) == text || (number && number_of(choice) == number)) value = choice;
  }
  if (!value || !in_range(parameter, *value))
    fail(ErrorCode::InvalidArgument, "the parameter '", parameter.name, "' cannot be '", text, "'");
  return *value;
}

}  // namespace jetcal::hpo
