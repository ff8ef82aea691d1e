// SPDX-License-Identifier: Apache-2.0
// Checked access to the fields of a JSON document, whose errors name file and field.
#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "jetcal/base/error.h"

namespace jetcal::jec::detail {

using Json = nlohmann::json;

/// Says where a value stands, as a list of pieces that ends at the file; lives on the stack.
struct JsonPlace {
  const JsonPlace* parent = nullptr;
  const char* field = nullptr;  ///< nullptr: an element
  std::size_t index = 0;
  const std::string* file = nullptr;  ///< Of the root only.

  std::string text() const;
  template <typename... Parts>
  [[noreturn]] void error(const Parts&... parts) const {
    fail(ErrorCode::InvalidArgument, text(), ": ", parts...);
  }
  JsonPlace at(const char* name) const { return {this, name, 0, nullptr}; }
  JsonPlace at(std::size_t element) const { return {this, nullptr, element, nullptr}; }
};

const Json& field(const Json& object, const char* name, const JsonPlace& place);
const Json& array_field(const Json& object, const char* name, const JsonPlace& place);
std::string text_field(const Json& object, const char* name, const JsonPlace& place);
/// Returns the field's number; an array of them with numbers_field().
double number_field(const Json& object, const char* name, const JsonPlace& place);
std::vector<double> numbers_field(const Json& object, const char* name, const JsonPlace& place);
std::vector<std::string> texts_field(const Json& object, const char* name, const JsonPlace& place);

}  // namespace jetcal::jec::detail
