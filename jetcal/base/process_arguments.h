// SPDX-License-Identifier: Apache-2.0
// What exec takes.
#pragma once

#include <string>
#include <vector>

namespace jetcal {

/// Pointers to texts and a null behind them, as argv and envp are; valid while `texts` is
/// unchanged.
inline std::vector<char*> pointers_to(std::vector<std::string>& texts) {
  std::vector<char*> pointers;
  pointers.reserve(texts.size() + 1);
  for (std::string& text : texts) pointers.push_back(text.data());
  pointers.push_back(nullptr);
  return pointers;
}

}  // namespace jetcal
