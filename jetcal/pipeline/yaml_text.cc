// SPDX-License-Identifier: Apache-2.0
#include "jetcal/pipeline/yaml_text.h"

namespace jetcal::pipeline {
namespace {

// Plain scalars that every reader, of YAML 1.1 too, takes for text.
bool is_plain_text(const std::string& text) {
  static const std::set<std::string> kWords{"null", "true", "false", "yes", "no",  "on",
                                            "off",  "y",    "n",     "~",   "nan", "inf"};
  std::string lower;
  for (const char letter : text)
    lower += static_cast<char>(letter >= 'A' && letter <= 'Z' ? letter + 32 : letter);
  if (text.empty() || kWords.count(lower) != 0) return false;
  const auto is_letter = [](char one) {
    return (one >= 'a' && one <= 'z') || (one >= 'A' && one <= 'Z');
  };
  if (!is_letter(text[0]) && text[0] != '/' && text[0] != '_') return false;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char letter = text[i];
    const bool plain = is_letter(letter) || (letter >= '0' && letter <= '9') ||
                       std::string_view("/_-.+=@").find(letter) != std::string_view::npos ||
                       (letter == ' ' && i + 1 < text.size()) ||
                       (letter == ':' && i + 1 < text.size() && text[i + 1] != ' ');
    if (!plain) return false;
  }
  return true;
}

std::string scalar_text(const Json& value) {
  if (!value.is_string()) return value.dump();
  const std::string& text = value.get_ref<const std::string&>();
  // JSON's quotes and escapes are YAML's.
  return is_plain_text(text) ? text : value.dump();
}

void write(const Json& value, const std::string& indent, bool in_list, std::string& out) {
  bool first = in_list;
  if (value.is_object() && !value.empty()) {
    for (const auto& [name, inner] : value.items()) {
      out += (first ? "" : indent) + scalar_text(name) + ":";
      first = false;
      const bool nested = inner.is_structured() && !inner.empty();
      out += nested ? "\n" : " ";
      if (nested) {
        write(inner, indent + (inner.is_array() ? "" : "  "), false, out);
      } else {
        out += scalar_text(inner) + "\n";
      }
    }
  } else if (value.is_array() && !value.empty()) {
    for (const Json& inner : value) {
      out += (first ? "" : indent) + std::string("- ");
      first = false;
      if (inner.is_structured() && !inner.empty()) {
        write(inner, indent + "  ", true, out);
      } else {
        out += scalar_text(inner) + "\n";
      }
    }
  } else {
    out += (in_list ? "" : indent) + scalar_text(value) + "\n";
  }
}

}  // namespace

std::string yaml_text(const Json& value) {
  std::string out;
  write(value, "", false, out);
  return out;
}

std::string yaml_documents(const std::vector<Json>& documents) {
  std::string out;
  for (const Json& document : documents) out += (out.empty() ? "" : "---\n") + yaml_text(document);
  return out;
}

}  // namespace jetcal::pipeline
