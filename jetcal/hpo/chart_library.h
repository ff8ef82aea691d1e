// SPDX-License-Identifier: Apache-2.0
// The library that draws charts in pages, which the program carries.
#pragma once

#include <string_view>

namespace jetcal::hpo {

/// Apache ECharts, minified; empty in a build without it.
std::string_view chart_library() noexcept;

}  // namespace jetcal::hpo
