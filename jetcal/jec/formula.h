// SPDX-License-Identifier: Apache-2.0
// Compiles the formulas of correction files and evaluates them on columns.
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

namespace jetcal::jec {

/// Tells whose grammar a formula follows; they differ in -x^2: ROOT says -(x^2), correctionlib
/// (-x)^2.
enum class Dialect { Root, Correctionlib };

/// Says how the variables and parameters of a formula find their values.
struct FormulaBinding {
  std::string source;  ///< Named in errors, e.g. "file.txt, line 1".
  Dialect dialect = Dialect::Root;
  std::vector<int> variables;  ///< Columns of x, y, z and t.
  int first_param = 0;         ///< Where [0] stands in a row of parameters.
  /// Variables are clamped to the ranges that parameters 2i and 2i+1 give for variable i.
  bool clamp = false;
};

enum class FormulaOp : std::uint8_t;  // detail/formula_op.h

/// Is a formula as a list of instructions on blocks of rows. Immutable, thread-safe.
class Formula {
 public:
  /// Rows that one call of evaluate() takes at most.
  static constexpr std::int64_t kBlock = 256;

  /// Throws InvalidArgument naming source, formula, position and the word that is not understood.
  static Formula parse(const std::string& expression, const FormulaBinding& binding);

  /// Counts the parameters of a row that the formula needs, ranges of clamps included.
  int num_params() const noexcept { return num_params_; }
  /// Counts the doubles of scratch that evaluate() needs.
  std::size_t scratch_size() const noexcept { return num_registers_ * kBlock; }

  /// Evaluates rows [0, n), n <= kBlock.
  ///
  /// columns[c] holds n values of column c; row i takes its parameters from params + offsets[i].
  /// Division by zero, logarithms of negative numbers and the like give inf or NaN as in C.
  void evaluate(std::int64_t n, const double* const* columns, const double* params,
                const std::uint32_t* offsets, double* scratch, double* out) const noexcept;

 private:
  struct Instruction {
    FormulaOp op;
    std::uint16_t result;             // register
    std::array<std::uint16_t, 3> in;  // registers; of loads: column or parameter
    double value;                     // of constants
  };
  std::vector<Instruction> code_;
  std::size_t num_registers_ = 0;
  std::uint16_t result_ = 0;
  int num_params_ = 0;
};

}  // namespace jetcal::jec
