// SPDX-License-Identifier: Apache-2.0
#include "jetcal/server/json_text.h"

#include "jetcal/base/encoding.h"

namespace jetcal::server {

static void append_control(std::string& out, unsigned char character) {
  static constexpr std::string_view kDigits = "0123456789abcdef";
  switch (character) {
    case '"':
      out += "\\\"";
      return;
    case '\\':
      out += "\\\\";
      return;
    case '\n':
      out += "\\n";
      return;
    case '\r':
      out += "\\r";
      return;
    case '\t':
      out += "\\t";
      return;
    default:
      out += "\\u00";
      out += kDigits[character >> 4];
      out += kDigits[character & 15];
  }
}

void append_json_string(std::string& out, std::string_view text) {
  out += '"';
  for (std::size_t i = 0; i < text.size();) {
    const auto character = static_cast<unsigned char>(text[i]);
    if (character < 0x20 || character == '"' || character == '\\') {
      append_control(out, character);
      ++i;
      continue;
    }
    const std::size_t length = utf8_length(text, i);
    if (length == 0) {
      out += "\xEF\xBF\xBD";
      ++i;
      continue;
    }
    out.append(text, i, length);
    i += length;
  }
  out += '"';
}

}  // namespace jetcal::server
