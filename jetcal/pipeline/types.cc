// SPDX-License-Identifier: Apache-2.0
// Types of values and artefacts, and the look-ups of a graph.
#include <array>

#include "jetcal/base/error.h"
#include "jetcal/pipeline/graph.h"

namespace jetcal::pipeline {
namespace {

constexpr std::array kTypes{
    std::pair{"string", Type::String},     std::pair{"integer", Type::Integer},
    std::pair{"number", Type::Number},     std::pair{"boolean", Type::Boolean},
    std::pair{"list", Type::List},         std::pair{"struct", Type::Struct},
    std::pair{"Artifact", Type::Artifact}, std::pair{"Dataset", Type::Dataset},
    std::pair{"Model", Type::Model},       std::pair{"Metrics", Type::Metrics}};

template <typename T>
const T* find_named(const std::vector<T>& all, std::string_view name) noexcept {
  for (const T& one : all) {
    if (one.name == name) return &one;
  }
  return nullptr;
}

}  // namespace

std::string_view type_name(Type type) noexcept {
  for (const auto& [name, value] : kTypes) {
    if (value == type) return name;
  }
  return "";
}

std::optional<Type> find_type(std::string_view name) noexcept {
  for (const auto& [known, value] : kTypes) {
    if (name == known) return value;
  }
  return std::nullopt;
}

std::vector<std::string> type_names() {
  std::vector<std::string> names;
  names.reserve(kTypes.size());
  for (const auto& entry : kTypes) names.emplace_back(entry.first);
  return names;
}

bool is_artifact(Type type) noexcept { return type >= Type::Artifact; }

bool accepts(Type to, Type from) noexcept {
  if (to == from) return true;
  if (to == Type::Number) return from == Type::Integer;
  return to == Type::Artifact && is_artifact(from);
}

bool holds(Type type, const Json& value) noexcept {
  switch (type) {
    case Type::String:
      return value.is_string();
    case Type::Integer:
      return value.is_number_integer();
    case Type::Number:
      return value.is_number();
    case Type::Boolean:
      return value.is_boolean();
    case Type::List:
      return value.is_array();
    case Type::Struct:
      return value.is_object();
    default:
      return false;
  }
}

std::string loop_of(const Pipeline& pipeline, const Step& step) {
  const Step* head = step.fan_out ? &step : nullptr;
  // Steps that follow each other in a circle are refused only later.
  for (std::size_t i = 0; i < pipeline.steps.size() && head != nullptr && head->fan_out; ++i) {
    if (head->fan_out->step.empty())
      return head->fan_out->loop.empty() ? head->name : head->fan_out->loop;
    head = pipeline.find_step(head->fan_out->step);
  }
  return "";
}

bool gathers(const Pipeline& pipeline, const Step& step, const Step& producer) {
  return producer.fan_out &&
         (!step.fan_out || loop_of(pipeline, step) != loop_of(pipeline, producer));
}

const InputPort* Step::find_input(std::string_view wanted) const noexcept {
  return find_named(inputs, wanted);
}
const OutputPort* Step::find_output(std::string_view wanted) const noexcept {
  return find_named(outputs, wanted);
}
const std::string& ExternalInput::place() const {
  if (paths.empty()) return name;
  if (paths.size() > 1)
    fail(ErrorCode::Unimplemented, "the input '", name, "' has ", paths.size(),
         " paths; a cluster brings one file or folder");
  if (paths.front().find_first_of("*?") != std::string::npos)
    fail(ErrorCode::Unimplemented, "the input '", name, "' is the pattern ", paths.front(),
         "; a cluster brings one file or folder");
  return paths.front();
}

const Parameter* Pipeline::find_parameter(std::string_view wanted) const noexcept {
  return find_named(parameters, wanted);
}
const ExternalInput* Pipeline::find_external(std::string_view wanted) const noexcept {
  return find_named(inputs, wanted);
}
const Step* Pipeline::find_step(std::string_view wanted) const noexcept {
  return find_named(steps, wanted);
}

}  // namespace jetcal::pipeline
