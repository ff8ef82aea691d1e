// SPDX-License-Identifier: Apache-2.0
#include "jetcal/page/page_parts.h"

#include <initializer_list>
#include <nlohmann/json.hpp>
#include <utility>

#include "jetcal/base/error.h"
#include "jetcal/page/carried_file.h"

JETCAL_CARRIED_FILE(jetcal_page_style, JETCAL_PAGE_STYLE)
JETCAL_CARRIED_FILE(jetcal_page_functions, JETCAL_PAGE_FUNCTIONS)
#ifdef JETCAL_ECHARTS
JETCAL_CARRIED_FILE(jetcal_echarts, JETCAL_ECHARTS)
#endif

namespace jetcal::page {
namespace {

// The first of equal marks counts; parts are not searched.
std::string filled(std::string_view markup,
                   std::initializer_list<std::pair<std::string_view, std::string_view>> parts) {
  std::string text;
  for (const auto& [mark, part] : parts) {
    const std::size_t at = markup.find(mark);
    if (at == std::string_view::npos) fail(ErrorCode::Internal, "a page has no mark ", mark);
    text.append(markup.substr(0, at)).append(part);
    markup.remove_prefix(at + mark.size());
  }
  return text.append(markup);
}

// JSON that may stand in a script element: no "</script" and no "<!--" can come up in it.
std::string script_json(const nlohmann::ordered_json& json) {
  std::string text;
  for (const char letter :
       json.dump(-1, ' ', false, nlohmann::ordered_json::error_handler_t::replace))
    text += letter == '<' ? std::string("\\u003c") : std::string(1, letter);
  return text;
}

}  // namespace

std::string_view chart_library() noexcept {
#ifdef JETCAL_ECHARTS
  return jetcal_echarts();
#else
  return {};
#endif
}

std::string self_contained_page(std::string_view markup, const nlohmann::ordered_json& data) {
  if (chart_library().empty()) {
    fail(ErrorCode::Unimplemented,
         "this build was made without Apache ECharts (tools/setup.py build), which the page needs");
  }
  return filled(markup, {{"@STYLE@", jetcal_page_style()},
                         {"@DATA@", script_json(data)},
                         {"@CHARTS@", chart_library()},
                         {"@FUNCTIONS@", jetcal_page_functions()}});
}

}  // namespace jetcal::page
