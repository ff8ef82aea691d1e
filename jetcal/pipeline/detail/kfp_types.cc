// SPDX-License-Identifier: Apache-2.0
#include "jetcal/pipeline/detail/kfp_types.h"

#include <array>
#include <cmath>

#include "jetcal/base/bounded_json.h"

namespace jetcal::pipeline {
namespace {

constexpr std::array kTypes{std::pair{"STRING", Type::String},
                            std::pair{"NUMBER_INTEGER", Type::Integer},
                            std::pair{"NUMBER_DOUBLE", Type::Number},
                            std::pair{"BOOLEAN", Type::Boolean},
                            std::pair{"LIST", Type::List},
                            std::pair{"STRUCT", Type::Struct}};

constexpr int kMaxDepth = 64;  // as of documents

// Numbers without a fraction become whole ones. Requires values nested no deeper than documents.
void make_whole(Json& value) {
  constexpr double kExact = 9007199254740992.0;  // 2^53: whole numbers below are doubles
  if (value.is_structured()) {
    for (Json& inner : value) make_whole(inner);
  } else if (value.is_number_float()) {
    const double number = value.get<double>();
    if (std::abs(number) < kExact && number == std::floor(number))
      value = static_cast<std::int64_t>(number);
  }
}

}  // namespace

Type read_kfp_type(const Node& definition, const std::string& source) {
  const std::string name = field_text(definition, "parameterType");
  for (const auto& [known, type] : kTypes) {
    if (name == known) return type;
  }
  fail_at(source, definition.at, "the parameterType '", name, "' is unknown");
}

const char* write_kfp_type(Type type) {
  for (const auto& [name, known] : kTypes) {
    if (type == known) return name;
  }
  return "STRING";
}

Type read_kfp_schema(const Node& definition, const char* schema) {
  const Node* type = definition.find(schema);
  const std::string title = type == nullptr ? "" : field_text(*type, "schemaTitle");
  if (title == "system.Dataset") return Type::Dataset;
  if (title == "system.Model") return Type::Model;
  if (title.find("Metrics") != std::string::npos) return Type::Metrics;
  return Type::Artifact;
}

Json write_kfp_schema(Type type) {
  return {{"schemaTitle", "system." + std::string(type_name(type))}, {"schemaVersion", "0.0.1"}};
}

Json read_kfp_value(Type type, Json value) {
  if (type == Type::Integer || type == Type::List || type == Type::Struct) make_whole(value);
  return value;
}

Json read_kfp_items(const Node& text, const std::string& source) {
  const auto [items, too_deep] = parse_bounded_json<Json>(text.text, kMaxDepth);
  if (!items.is_array())
    fail_at(source, text.at, "the items of the loop are no list",
            too_deep ? ", or values are nested too deep" : "");
  return read_kfp_value(Type::List, items);
}

}  // namespace jetcal::pipeline
