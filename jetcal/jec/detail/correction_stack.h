// SPDX-License-Identifier: Apache-2.0
// Correction levels and how each changes the inputs of the next.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "jetcal/jec/detail/correction_tree.h"

namespace jetcal::jec {

/// How a level's result joins the inputs or the output of the stack.
enum class StackOp : std::uint8_t { Add, Multiply, Divide, Last };

/// Is what a JetCorrector shares.
struct CorrectionStack {
  struct Level {
    std::string name;
    std::shared_ptr<const detail::CorrectionTree> tree;  // shared: compounds use a level twice
    std::vector<int> numbers, texts;  // columns of the stack for those of the tree
  };
  std::vector<Level> levels;
  std::vector<std::string> inputs, text_inputs;
  std::vector<bool> integer_inputs;
  std::vector<int> updated;  // columns that change from level to level
  StackOp input_op = StackOp::Multiply, output_op = StackOp::Multiply;

  /// Adds a level and the inputs that it is the first to need.
  void add(std::string name, std::shared_ptr<const detail::CorrectionTree> tree);
  /// Lets the results change `name`, if a level uses it.
  void update(const std::string& name);
  /// Orders the inputs by name.
  void sort_inputs();
};

}  // namespace jetcal::jec
