// SPDX-License-Identifier: Apache-2.0
// The page of a report, which the program carries.
#pragma once

#include <string_view>

namespace jetcal::hpo::detail {

/// detail/report_page.html, with @DATA@ and @CHARTS@ in place of these parts.
std::string_view page_template() noexcept;

}  // namespace jetcal::hpo::detail
