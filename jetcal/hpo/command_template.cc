// SPDX-License-Identifier: Apache-2.0
#include "jetcal/hpo/command_template.h"

#include <algorithm>
#include <string_view>

#include "jetcal/base/error.h"

namespace jetcal::hpo {
namespace {

// Calls `plain` with text and `named` with names, in order.
void walk(const std::string& text, const std::function<void(std::string_view)>& plain,
          const std::function<void(const std::string&)>& named) {
  constexpr std::string_view kKatib = "trialParameters.";
  std::size_t at = 0;
  while (at < text.size()) {
    const std::size_t found = text.find("${", at);
    if (found == std::string::npos) break;
    if (found > at && text[found - 1] == '$') {
      plain(std::string_view(text).substr(at, found - at - 1));
      plain("${");
      at = found + 2;
      continue;
    }
    plain(std::string_view(text).substr(at, found - at));
    const std::size_t end = text.find('}', found);
    if (end == std::string::npos)
      fail(ErrorCode::InvalidArgument, "the template '", text, "' has a ${ without }");
    std::string name = text.substr(found + 2, end - found - 2);
    if (name.starts_with(kKatib)) name.erase(0, kKatib.size());
    named(name);
    at = end + 1;
  }
  plain(std::string_view(text).substr(std::min(at, text.size())));
}

}  // namespace

std::set<std::string> names_in(const std::string& text) {
  std::set<std::string> names;
  walk(
      text, [](std::string_view) {}, [&names](const std::string& name) { names.insert(name); });
  return names;
}

std::string substitute(const std::string& text, const Substitutions& values) {
  std::string result;
  walk(
      text, [&result](std::string_view plain) { result += plain; },
      [&](const std::string& name) {
        const auto value = values.find(name);
        if (value == values.end()) {
          fail(ErrorCode::InvalidArgument, "the template '", text, "' asks for ${", name,
               "}, which is neither a parameter of this trial nor known");
        }
        result += value->second;
      });
  return result;
}

std::string shell_quoted(const std::string& text) {
  const bool plain = !text.empty() && std::all_of(text.begin(), text.end(), [](char letter) {
    return std::isalnum(static_cast<unsigned char>(letter)) != 0 ||
           std::string_view("_-./:=+,@%").find(letter) != std::string_view::npos;
  });
  if (plain) return text;
  std::string quoted = "'";
  for (const char letter : text)
    quoted += letter == '\'' ? std::string("'\\''") : std::string(1, letter);
  return quoted + "'";
}

}  // namespace jetcal::hpo
