// SPDX-License-Identifier: Apache-2.0
#include "jetcal/jec/detail/formula_graph.h"

#include <algorithm>
#include <bit>

namespace jetcal::jec::detail {

int FormulaGraph::add(FormulaOp op, std::array<int, 3> in, double value) {
  const auto [found, added] =
      known_.try_emplace({op, in, std::bit_cast<std::uint64_t>(value)}, nodes_.size());
  if (added) nodes_.push_back({op, in, value});
  return found->second;
}

int FormulaGraph::constant(double value) { return add(FormulaOp::Constant, {-1, -1, -1}, value); }

int FormulaGraph::apply(FormulaOp op, int a, int b, int c) {
  const std::array<int, 3> in{a, b, c};
  const auto value = [this](int node) {
    return node < 0 ? 0.0 : nodes_[static_cast<std::size_t>(node)].value;
  };
  const auto known = [this](int node) { return node < 0 || is_constant(node); };
  if (std::all_of(in.begin(), in.end(), known)) {
    const std::array<double, 3> operands{value(a), value(b), value(c)};
    double result = 0;
    apply_operation(op, 1, operands.data(), &operands[1], &operands[2], &result);
    return constant(result);
  }
  if (op == FormulaOp::Power && is_constant(b) && value(b) == 2) return apply(FormulaOp::Square, a);
  if (op == FormulaOp::Power && is_constant(b) && value(b) == 1) return a;
  return add(op, in, 0);
}

}  // namespace jetcal::jec::detail
