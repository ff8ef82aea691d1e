// SPDX-License-Identifier: Apache-2.0
#include "jetcal/client/detail/bounded_json.h"

#include "jetcal/base/error.h"

namespace jetcal::client::detail {

using nlohmann::ordered_json;

ordered_json parse_json(std::string_view text) {
  constexpr int kMaxDepth = 100;  // as servers take it
  const auto look = [](int depth, ordered_json::parse_event_t, ordered_json&) {
    if (depth > kMaxDepth) fail(ErrorCode::DataLoss, "the JSON is nested too deeply");
    return true;
  };
  try {
    return ordered_json::parse(text, look, false);
  } catch (const Error&) {
    return ordered_json(ordered_json::value_t::discarded);
  }
}

}  // namespace jetcal::client::detail
