// SPDX-License-Identifier: Apache-2.0
#include "jetcal/analysis/detail/markup.h"

namespace jetcal::analysis::detail {

std::string escape_markup(const std::string& text) {
  std::string result;
  for (const char c : text) {
    switch (c) {
      case '&':
        result += "&amp;";
        break;
      case '<':
        result += "&lt;";
        break;
      case '>':
        result += "&gt;";
        break;
      case '"':
        result += "&quot;";
        break;
      default:
        result += c;
    }
  }
  return result;
}

}  // namespace jetcal::analysis::detail
