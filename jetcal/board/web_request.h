// SPDX-License-Identifier: Apache-2.0
// What a request asks for, and whether the board may answer it.
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "jetcal/server/http_message.h"

namespace jetcal::board {

/// A request's target, taken apart and decoded.
struct Target {
  std::vector<std::string> path;  ///< "/api/runs/x" is {"api", "runs", "x"}; "/" is empty.
  std::map<std::string, std::string> query;

  /// The value of a query field, or "".
  std::string value(const std::string& name) const;
};

Target parse_target(const server::HttpHead& head);

/// Tells whether the Host header of a request names this board: an address in digits, localhost, or
/// one of `names`. A page of another site whose name was bound anew to this machine (DNS
/// rebinding) cannot get past this.
bool host_is_ours(const server::HttpHead& head, const std::vector<std::string>& names);

/// Tells whether a request that changes something comes from a page of this board, by Origin and
/// Sec-Fetch-Site, and by a header that other sites' pages cannot set.
bool comes_from_board(const server::HttpHead& head);

}  // namespace jetcal::board
