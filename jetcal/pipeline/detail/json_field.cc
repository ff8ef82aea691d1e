// SPDX-License-Identifier: Apache-2.0
#include "jetcal/pipeline/detail/json_field.h"

#include <sstream>

namespace jetcal::pipeline {

const Json* find_field(const Json& document, const std::string& dotted) {
  const Json* node = &document;
  std::stringstream parts(dotted);
  for (std::string part; std::getline(parts, part, '.');) {
    if (node->is_array() && part.size() < 9 &&
        part.find_first_not_of("0123456789") == std::string::npos &&
        std::stoul(part) < node->size()) {
      node = &(*node)[std::stoul(part)];
    } else if (node->is_object() && node->contains(part)) {
      node = &(*node)[part];
    } else {
      return nullptr;
    }
  }
  return node;
}

const Json& field_at(const Json& document, const std::string& dotted) {
  static const Json kNothing;
  const Json* const found = find_field(document, dotted);
  return found == nullptr ? kNothing : *found;
}

std::string text_of(const Json& value) {
  return value.is_string() ? value.get<std::string>() : value.dump();
}

}  // namespace jetcal::pipeline
