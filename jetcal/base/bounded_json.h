// SPDX-License-Identifier: Apache-2.0
// JSON from elsewhere, nested no deeper than what copies, prints or walks through it can bear.
#pragma once

#include <nlohmann/json.hpp>
#include <string_view>

namespace jetcal {

/// Holds a document; is_discarded() for what is no JSON or nested too deeply.
template <typename Json>
struct BoundedJson {
  Json document = Json(Json::value_t::discarded);
  bool too_deep = false;
};

/// Parses a document whose values are nested at most `max_depth` deep. Json is nlohmann::json or
/// nlohmann::ordered_json. Throws nothing but what memory that ends throws.
template <typename Json>
BoundedJson<Json> parse_bounded_json(std::string_view text, int max_depth) {
  BoundedJson<Json> parsed;
  const auto look = [&](int depth, typename Json::parse_event_t, Json&) {
    parsed.too_deep = parsed.too_deep || depth > max_depth;
    return !parsed.too_deep;
  };
  Json document = Json::parse(text, look, /*allow_exceptions=*/false);
  if (!parsed.too_deep) parsed.document = std::move(document);
  return parsed;
}

}  // namespace jetcal
