// SPDX-License-Identifier: Apache-2.0
// Mends what ROOT writes into SVG files.
#pragma once

#include <string>

namespace jetcal::analysis::detail {

/// Puts `title` in place of the path of the file, lets the viewer smooth lines, scales line widths
/// (ROOT takes them from the larger canvas) and names fonts to fall back on.
std::string tidy_svg(const std::string& svg, const std::string& title);

}  // namespace jetcal::analysis::detail
