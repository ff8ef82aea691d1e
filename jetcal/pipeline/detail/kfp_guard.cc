// SPDX-License-Identifier: Apache-2.0
#include "jetcal/pipeline/detail/kfp_guard.h"

#include <algorithm>
#include <utility>

namespace jetcal::pipeline {
namespace {

void replace_all(std::string& text, const std::string& from, const std::string& to) {
  for (std::size_t at = text.find(from); at != std::string::npos; at = text.find(from, at)) {
    text.replace(at, from.size(), to);
    at += to.size();
  }
}

}  // namespace

void KfpGuard::add(std::string condition, std::vector<InputPort> more, const std::string& prefix) {
  if (condition.empty()) return;
  for (InputPort& port : more) {
    const std::string before = port.name;
    const auto same_name = [&port](const InputPort& one) { return one.name == port.name; };
    auto known = std::find_if(inputs.begin(), inputs.end(), same_name);
    while (known != inputs.end() && known->source != port.source) {
      port.name = prefix + "-" + port.name;
      known = std::find_if(inputs.begin(), inputs.end(), same_name);
    }
    if (port.name != before)
      replace_all(condition, "${inputs." + before + "}", "${inputs." + port.name + "}");
    if (known == inputs.end()) inputs.push_back(std::move(port));
  }
  text = text.empty() ? condition : "(" + text + ") and (" + condition + ")";
}

}  // namespace jetcal::pipeline
