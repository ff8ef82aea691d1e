// SPDX-License-Identifier: Apache-2.0
#include "jetcal/jec/formula.h"

#include <algorithm>
#include <limits>

#include "jetcal/base/error.h"
#include "jetcal/jec/detail/formula_graph.h"

namespace jetcal::jec {

Formula Formula::parse(const std::string& expression, const FormulaBinding& binding) {
  detail::FormulaGraph graph;
  const int root = detail::parse_formula(expression, binding, graph);
  const auto& nodes = graph.nodes();
  if (nodes.size() > std::numeric_limits<std::uint16_t>::max() / 2)
    fail(ErrorCode::InvalidArgument, binding.source, ": the formula is too long");
  // The last use of each node; -1 marks nodes that the value does not need.
  std::vector<int> last_use(nodes.size(), -1);
  last_use[static_cast<std::size_t>(root)] = std::numeric_limits<int>::max();
  for (int i = root; i >= 0; --i) {
    const auto& node = nodes[static_cast<std::size_t>(i)];
    if (last_use[static_cast<std::size_t>(i)] < 0) continue;
    for (int k = 0; k < detail::num_operands(node.op); ++k) {
      int& use = last_use[static_cast<std::size_t>(node.in[static_cast<std::size_t>(k)])];
      use = std::max(use, i);
    }
  }
  Formula formula;
  std::vector<std::uint16_t> register_of(nodes.size()), free;
  for (int i = 0; i <= root; ++i) {
    const auto& node = nodes[static_cast<std::size_t>(i)];
    if (last_use[static_cast<std::size_t>(i)] < 0) continue;
    Instruction instruction{node.op, 0, {0, 0, 0}, node.value};
    const int operands = detail::num_operands(node.op);
    for (int k = 0; k < operands; ++k) {
      const auto in = static_cast<std::size_t>(node.in[static_cast<std::size_t>(k)]);
      instruction.in[static_cast<std::size_t>(k)] = register_of[in];
      if (last_use[in] == i) {
        free.push_back(register_of[in]);
        last_use[in] = i - 1;  // an operand that stands twice is freed once
      }
    }
    if (operands == 0) instruction.in[0] = static_cast<std::uint16_t>(std::max(0, node.in[0]));
    if (node.op == FormulaOp::Parameter)
      formula.num_params_ = std::max(formula.num_params_, node.in[0] + 1);
    if (free.empty()) free.push_back(static_cast<std::uint16_t>(formula.num_registers_++));
    instruction.result = free.back();
    register_of[static_cast<std::size_t>(i)] = free.back();
    free.pop_back();
    formula.code_.push_back(instruction);
  }
  formula.result_ = register_of[static_cast<std::size_t>(root)];
  return formula;
}

void Formula::evaluate(std::int64_t n, const double* const* columns, const double* params,
                       const std::uint32_t* offsets, double* scratch, double* out) const noexcept {
  const auto at = [scratch](std::uint16_t index) {
    return scratch + static_cast<std::size_t>(index) * kBlock;
  };
  for (const Instruction& step : code_) {
    double* result = at(step.result);
    switch (step.op) {
      case FormulaOp::Constant:
        std::fill_n(result, n, step.value);
        break;
      case FormulaOp::Variable:
        std::copy_n(columns[step.in[0]], n, result);
        break;
      case FormulaOp::Parameter:
        for (std::int64_t i = 0; i < n; ++i) result[i] = params[offsets[i] + step.in[0]];
        break;
      default:
        detail::apply_operation(step.op, n, at(step.in[0]), at(step.in[1]), at(step.in[2]), result);
    }
  }
  std::copy_n(at(result_), n, out);
}

}  // namespace jetcal::jec
