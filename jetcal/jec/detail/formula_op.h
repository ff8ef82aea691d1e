// SPDX-License-Identifier: Apache-2.0
// The operations of formulas and what each computes for one row.
#pragma once

#include <cstdint>

#include "jetcal/jec/formula.h"

namespace jetcal::jec {

enum class FormulaOp : std::uint8_t {
  Constant,
  Variable,
  Parameter,
  Negate,
  Not,
  Square,
  Log,
  Log10,
  Log2,
  Exp,
  Sqrt,
  Abs,
  Sin,
  Cos,
  Tan,
  Asin,
  Acos,
  Atan,
  Sinh,
  Cosh,
  Tanh,
  Asinh,
  Acosh,
  Atanh,
  Erf,
  Erfc,
  Floor,
  Ceil,
  Landau,
  Add,
  Subtract,
  Multiply,
  Divide,
  Power,
  Min,
  Max,
  Atan2,
  Hypot,
  Less,
  LessEqual,
  Greater,
  GreaterEqual,
  Equal,
  NotEqual,
  And,
  Or,
  Select,
};

namespace detail {

/// Counts the operands of an operation.
constexpr int num_operands(FormulaOp op) noexcept {
  if (op <= FormulaOp::Parameter) return 0;
  if (op <= FormulaOp::Landau) return 1;
  return op == FormulaOp::Select ? 3 : 2;
}

/// Computes one operation of rows [0, n), as in C; a, b and c are the columns of its operands,
/// those it lacks are not read. `out` may be one of them.
void apply_operation(FormulaOp op, std::int64_t n, const double* a, const double* b,
                     const double* c, double* out) noexcept;

}  // namespace detail

}  // namespace jetcal::jec
