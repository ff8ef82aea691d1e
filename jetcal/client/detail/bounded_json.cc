// SPDX-License-Identifier: Apache-2.0
#include "jetcal/client/detail/bounded_json.h"

#include "jetcal/base/bounded_json.h"

namespace jetcal::client::detail {

nlohmann::ordered_json parse_json(std::string_view text) {
  constexpr int kMaxDepth = 100;  // as servers take it
  return parse_bounded_json<nlohmann::ordered_json>(text, kMaxDepth).document;
}

}  // namespace jetcal::client::detail
