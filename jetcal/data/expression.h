// SPDX-License-Identifier: Apache-2.0
// Formulas over named numbers of a jet: selections, new variables, weights.
#pragma once

#include <memory>
#include <span>
#include <string>
#include <vector>

namespace jetcal::data {

/// A parsed formula, computed in double.
///
/// Operators: + - * / ^, < <= > >= == !=, && || !, ?:, and & | on integers. Functions: abs, sign,
/// sqrt, exp, log and ln (natural), log2, log10, sin, cos, tan, asin, acos, atan, sinh, cosh, tanh,
/// pow, fmod, atan2, hypot, delta_phi, floor, ceil, round, trunc, min, max, sum, avg, clip(x, low,
/// high). Constants: pi, true, false. Each object is for one thread at a time.
class Expression {
 public:
  /// Parses `text`; `field` names it in messages. Throws InvalidArgument with the place of the
  /// mistake. What the language of the parser would take but nobody means is refused too: an
  /// assignment, a chain such as 20 < pt < 30, a comparison beside & or | without parentheses.
  Expression(std::string text, std::string field);
  ~Expression();
  Expression(Expression&&) noexcept;
  Expression& operator=(Expression&&) noexcept;

  const std::string& text() const noexcept;
  const std::string& field() const noexcept;
  /// Lists the names in it, each once, in the order of their first use.
  const std::vector<std::string>& names() const noexcept;

  /// Computes one value a row. `columns` holds a column for each of names(), as long as `out`. A
  /// row in which a column is not finite gives NaN, whatever the formula says.
  void evaluate(std::span<const std::span<const double>> columns, std::span<double> out);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace jetcal::data
