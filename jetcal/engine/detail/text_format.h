// SPDX-License-Identifier: Apache-2.0
// Reads protobuf's text format without protobuf and without a schema: names, values, nesting.
#pragma once

#include <string>
#include <string_view>
#include <variant>
#include <vector>

namespace jetcal::engine::detail {

struct TextField;

/// Holds fields in the order of the file; a list `dims: [1, 2]` becomes one field an element.
struct TextMessage {
  std::vector<TextField> fields;
};

/// A number, a name such as TYPE_FP32, or a string.
struct TextScalar {
  std::string text;
  bool quoted = false;
};

struct TextField {
  std::string name;
  int line = 0;
  std::variant<TextScalar, TextMessage> value;
};

/// Throws InvalidArgument naming source and line when the text is not of that format.
TextMessage parse_text_format(std::string_view text, const std::string& source);

}  // namespace jetcal::engine::detail
