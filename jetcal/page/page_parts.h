// SPDX-License-Identifier: Apache-2.0
// What pages with charts are made of; the program carries it.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>
#include <string_view>

namespace jetcal::page {

/// Apache ECharts, minified; empty in a build without it.
std::string_view chart_library() noexcept;

/// Returns a page that needs nothing else: `markup` with the style of pages in place of @STYLE@,
/// the data as JSON in that of @DATA@ (in a script element, whatever texts the data holds), the
/// chart library in that of @CHARTS@ and the functions of detail/page.js in that of @FUNCTIONS@;
/// the marks come in this order. Throws Unimplemented in a build without the library.
std::string self_contained_page(std::string_view markup, const nlohmann::ordered_json& data);

}  // namespace jetcal::page
