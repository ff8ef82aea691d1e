// SPDX-License-Identifier: Apache-2.0
// Files that the program carries: the page of a report and the library that draws its charts.
#pragma once

#include <string_view>

namespace jetcal::hpo::detail {

/// detail/report_page.html, with @DATA@ and @CHARTS@ in place of these parts.
std::string_view page_template() noexcept;
/// Apache ECharts, minified; empty in a build without it.
std::string_view chart_library() noexcept;

}  // namespace jetcal::hpo::detail
