// SPDX-License-Identifier: Apache-2.0
#include "jetcal/jec/detail/json_fields.h"

namespace jetcal::jec::detail {

std::string JsonPlace::text() const {
  if (file != nullptr) return *file;
  const std::string before = parent->text();
  if (field == nullptr) return before + "[" + std::to_string(index) + "]";
  return before + (parent->file != nullptr ? ", " : ".") + field;
}

const Json& field(const Json& object, const char* name, const JsonPlace& place) {
  if (!object.is_object()) place.error("expected an object, found ", object.type_name());
  const auto found = object.find(name);
  if (found == object.end()) place.error("the field '", name, "' is missing");
  return *found;
}

const Json& array_field(const Json& object, const char* name, const JsonPlace& place) {
  const Json& value = field(object, name, place);
  if (!value.is_array()) place.at(name).error("expected an array, found ", value.type_name());
  return value;
}

std::string text_field(const Json& object, const char* name, const JsonPlace& place) {
  const Json& value = field(object, name, place);
  if (!value.is_string()) place.at(name).error("expected a text, found ", value.type_name());
  return value.get<std::string>();
}

double number_field(const Json& object, const char* name, const JsonPlace& place) {
  const Json& value = field(object, name, place);
  if (!value.is_number()) place.at(name).error("expected a number, found ", value.type_name());
  return value.get<double>();
}

std::vector<double> numbers_field(const Json& object, const char* name, const JsonPlace& place) {
  const Json& values = array_field(object, name, place);
  std::vector<double> numbers;
  numbers.reserve(values.size());
  for (const Json& value : values) {
    if (!value.is_number()) {
      place.at(name).at(numbers.size()).error("expected a number, found ", value.type_name());
    }
    numbers.push_back(value.get<double>());
  }
  return numbers;
}

std::vector<std::string> texts_field(const Json& object, const char* name, const JsonPlace& place) {
  const Json& values = array_field(object, name, place);
  std::vector<std::string> texts;
  for (const Json& value : values) {
    if (!value.is_string())
      place.at(name).at(texts.size()).error("expected a text, found ", value.type_name());
    texts.push_back(value.get<std::string>());
  }
  return texts;
}

}  // namespace jetcal::jec::detail
