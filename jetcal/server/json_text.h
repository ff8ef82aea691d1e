// SPDX-License-Identifier: Apache-2.0
// Writes JSON text straight into a string, for answers too large to build as a tree first.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace jetcal::server {

/// Appends a JSON string with its quotes. Bytes that are not UTF-8 become U+FFFD.
void append_json_string(std::string& out, std::string_view text);

}  // namespace jetcal::server
