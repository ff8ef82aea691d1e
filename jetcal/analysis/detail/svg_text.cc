// SPDX-License-Identifier: Apache-2.0
#include "jetcal/analysis/detail/svg_text.h"

#include <fmt/format.h>

#include <regex>

#include "jetcal/analysis/detail/markup.h"

namespace jetcal::analysis::detail {

namespace {

constexpr double kLineScale = 0.5;

void replace_between(std::string& text, const std::string& open, const std::string& close,
                     const std::string& content) {
  const std::size_t begin = text.find(open);
  if (begin == std::string::npos) return;
  const std::size_t end = text.find(close, begin);
  if (end == std::string::npos) return;
  text.replace(begin + open.size(), end - begin - open.size(), content);
}

void replace_all(std::string& text, const std::string& from, const std::string& to) {
  for (std::size_t at = text.find(from); at != std::string::npos;
       at = text.find(from, at + to.size()))
    text.replace(at, from.size(), to);
}

std::string scale_lines(const std::string& svg) {
  static const std::regex width("stroke-width=\"([0-9.]+)\"");
  std::string result;
  std::size_t done = 0;
  for (std::sregex_iterator it(svg.begin(), svg.end(), width), end; it != end; ++it) {
    result.append(svg, done, static_cast<std::size_t>(it->position()) - done);
    result += fmt::format("stroke-width=\"{:g}\"", kLineScale * std::stod((*it)[1]));
    done = static_cast<std::size_t>(it->position() + it->length());
  }
  return result.append(svg, done);
}

}  // namespace

std::string tidy_svg(const std::string& svg, const std::string& title) {
  std::string result = scale_lines(svg);
  replace_between(result, "<title>", "</title>", escape_markup(title));
  replace_all(result, " shape-rendering=\"crispEdges\"", "");
  replace_all(result, "font-family=\"Helvetica\"", "font-family=\"Helvetica, Arial, sans-serif\"");
  return result;
}

}  // namespace jetcal::analysis::detail
