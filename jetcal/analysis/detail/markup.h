// SPDX-License-Identifier: Apache-2.0
// Escapes text for HTML and SVG.
#pragma once

#include <string>

namespace jetcal::analysis::detail {

/// Replaces the characters that would start a tag, an attribute's end or an entity.
std::string escape_markup(const std::string& text);

}  // namespace jetcal::analysis::detail
