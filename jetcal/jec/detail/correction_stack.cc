// SPDX-License-Identifier: Apache-2.0
#include "jetcal/jec/detail/correction_stack.h"

#include <algorithm>

namespace jetcal::jec {

static int position(std::vector<std::string>& names, const std::string& name) {
  const auto found = std::find(names.begin(), names.end(), name);
  if (found != names.end()) return static_cast<int>(found - names.begin());
  names.push_back(name);
  return static_cast<int>(names.size()) - 1;
}

void CorrectionStack::add(std::string name, std::shared_ptr<const detail::CorrectionTree> tree) {
  Level level;
  level.name = std::move(name);
  for (const std::string& input : tree->number_inputs)
    level.numbers.push_back(position(inputs, input));
  for (const std::string& input : tree->text_inputs)
    level.texts.push_back(position(text_inputs, input));
  integer_inputs.resize(inputs.size(), false);
  for (std::size_t c = 0; c < level.numbers.size(); ++c)
    if (tree->is_integer(c)) integer_inputs[static_cast<std::size_t>(level.numbers[c])] = true;
  level.tree = std::move(tree);
  levels.push_back(std::move(level));
}

void CorrectionStack::update(const std::string& name) {
  const auto found = std::find(inputs.begin(), inputs.end(), name);
  if (found != inputs.end()) updated.push_back(static_cast<int>(found - inputs.begin()));
}

void CorrectionStack::sort_inputs() {
  std::vector<std::string> sorted = inputs;
  std::sort(sorted.begin(), sorted.end());
  std::vector<bool> integers(inputs.size());
  const auto moved = [&](int column) {
    const std::string& name = inputs[static_cast<std::size_t>(column)];
    return static_cast<int>(std::lower_bound(sorted.begin(), sorted.end(), name) - sorted.begin());
  };
  for (std::size_t c = 0; c < inputs.size(); ++c)
    integers[static_cast<std::size_t>(moved(static_cast<int>(c)))] = integer_inputs[c];
  for (Level& level : levels)
    for (int& column : level.numbers) column = moved(column);
  for (int& column : updated) column = moved(column);
  inputs = std::move(sorted);
  integer_inputs = std::move(integers);
}

}  // namespace jetcal::jec
