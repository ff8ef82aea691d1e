// SPDX-License-Identifier: Apache-2.0
// JSON from elsewhere, nested no deeper than what copies, prints or walks through it can bear.
#pragma once

#include <nlohmann/json.hpp>
#include <string_view>

namespace jetcal::client::detail {

/// Parses a document; is_discarded() for what is no JSON or nested more than 100 deep.
nlohmann::ordered_json parse_json(std::string_view text);

}  // namespace jetcal::client::detail
