// SPDX-License-Identifier: Apache-2.0
// A formula as a graph of operations, in which equal parts are one node and constants are folded.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <string>
#include <tuple>
#include <vector>

#include "jetcal/jec/detail/formula_op.h"

namespace jetcal::jec::detail {

/// Holds nodes in an order in which operands come first.
class FormulaGraph {
 public:
  struct Node {
    FormulaOp op;
    std::array<int, 3> in;  // nodes; of loads: column or parameter in in[0]
    double value;
  };

  int constant(double value);
  int variable(int column) { return add(FormulaOp::Variable, {column, -1, -1}, 0); }
  int parameter(int index) { return add(FormulaOp::Parameter, {index, -1, -1}, 0); }
  int apply(FormulaOp op, int a, int b = -1, int c = -1);

  const std::vector<Node>& nodes() const noexcept { return nodes_; }

 private:
  int add(FormulaOp op, std::array<int, 3> in, double value);
  bool is_constant(int node) const {
    return nodes_[static_cast<std::size_t>(node)].op == FormulaOp::Constant;
  }
  std::vector<Node> nodes_;
  std::map<std::tuple<FormulaOp, std::array<int, 3>, std::uint64_t>, int> known_;
};

/// Parses `expression` into `graph` and returns the node of its value. Throws InvalidArgument.
int parse_formula(const std::string& expression, const FormulaBinding& binding,
                  FormulaGraph& graph);

}  // namespace jetcal::jec::detail
