// SPDX-License-Identifier: Apache-2.0
// What the numbers of a report mean, in one sentence each.
#pragma once

#include <span>
#include <string_view>

namespace jetcal::analysis {

struct Definition {
  std::string_view word, meaning;
};

/// Lists the definitions that report.json and the page carry.
std::span<const Definition> definitions() noexcept;

}  // namespace jetcal::analysis
