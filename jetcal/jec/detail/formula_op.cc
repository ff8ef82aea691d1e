// SPDX-License-Identifier: Apache-2.0
#include "jetcal/jec/detail/formula_op.h"

#include <cmath>
#include <numbers>

namespace jetcal::jec::detail {

namespace {

// The density of the Landau distribution, as TMath::Landau(x, 0, 1).
//
// p(x) = 1/pi int_0^inf exp(-t log t - x t) sin(pi t) dt by Simpson's rule in s, t = s^3, which
// smooths the logarithm at 0. For small x the integrand cancels, and the leading terms of the
// saddle point at t = exp(-1 - x) stand in.
double landau_density(double x) {
  if (x < -3.5) {
    const double saddle = std::exp(-1 - x);
    return std::exp(-saddle) * std::sqrt(saddle / (2 * std::numbers::pi)) * (1 + 1 / (24 * saddle));
  }
  constexpr int kIntervals = 4000;
  const double step = std::cbrt(x < 0 ? 60 : 60 / (1 + x)) / kIntervals;
  double sum = 0;
  for (int i = 1; i <= kIntervals; ++i) {
    const double s = step * i;
    const double t = s * s * s;
    const double weight = i == kIntervals ? 1 : (i % 2 == 1 ? 4 : 2);
    sum += weight * s * s * std::exp(-t * std::log(t) - x * t) * std::sin(std::numbers::pi * t);
  }
  return sum * step / std::numbers::pi;
}

template <typename Operation>
void loop1(std::int64_t n, const double* a, double* out, Operation operation) {
  for (std::int64_t i = 0; i < n; ++i) out[i] = operation(a[i]);
}

template <typename Operation>
void loop2(std::int64_t n, const double* a, const double* b, double* out, Operation operation) {
  for (std::int64_t i = 0; i < n; ++i) out[i] = operation(a[i], b[i]);
}

void apply_function(FormulaOp op, std::int64_t n, const double* a, double* out) {
  switch (op) {
    case FormulaOp::Negate:
      return loop1(n, a, out, [](double x) { return -x; });
    case FormulaOp::Not:
      return loop1(n, a, out, [](double x) { return x == 0 ? 1.0 : 0.0; });
    case FormulaOp::Square:
      return loop1(n, a, out, [](double x) { return x * x; });
    case FormulaOp::Log:
      return loop1(n, a, out, [](double x) { return std::log(x); });
    case FormulaOp::Log10:
      return loop1(n, a, out, [](double x) { return std::log10(x); });
    case FormulaOp::Log2:
      return loop1(n, a, out, [](double x) { return std::log2(x); });
    case FormulaOp::Exp:
      return loop1(n, a, out, [](double x) { return std::exp(x); });
    case FormulaOp::Sqrt:
      return loop1(n, a, out, [](double x) { return std::sqrt(x); });
    case FormulaOp::Abs:
      return loop1(n, a, out, [](double x) { return std::abs(x); });
    case FormulaOp::Sin:
      return loop1(n, a, out, [](double x) { return std::sin(x); });
    case FormulaOp::Cos:
      return loop1(n, a, out, [](double x) { return std::cos(x); });
    case FormulaOp::Tan:
      return loop1(n, a, out, [](double x) { return std::tan(x); });
    case FormulaOp::Asin:
      return loop1(n, a, out, [](double x) { return std::asin(x); });
    case FormulaOp::Acos:
      return loop1(n, a, out, [](double x) { return std::acos(x); });
    case FormulaOp::Atan:
      return loop1(n, a, out, [](double x) { return std::atan(x); });
    case FormulaOp::Sinh:
      return loop1(n, a, out, [](double x) { return std::sinh(x); });
    case FormulaOp::Cosh:
      return loop1(n, a, out, [](double x) { return std::cosh(x); });
    case FormulaOp::Tanh:
      return loop1(n, a, out, [](double x) { return std::tanh(x); });
    case FormulaOp::Asinh:
      return loop1(n, a, out, [](double x) { return std::asinh(x); });
    case FormulaOp::Acosh:
      return loop1(n, a, out, [](double x) { return std::acosh(x); });
    case FormulaOp::Atanh:
      return loop1(n, a, out, [](double x) { return std::atanh(x); });
    case FormulaOp::Erf:
      return loop1(n, a, out, [](double x) { return std::erf(x); });
    case FormulaOp::Erfc:
      return loop1(n, a, out, [](double x) { return std::erfc(x); });
    case FormulaOp::Floor:
      return loop1(n, a, out, [](double x) { return std::floor(x); });
    case FormulaOp::Ceil:
      return loop1(n, a, out, [](double x) { return std::ceil(x); });
    case FormulaOp::Landau:
      return loop1(n, a, out, [](double x) { return landau_density(x); });
    default:
      return;
  }
}

}  // namespace

void apply_operation(FormulaOp op, std::int64_t n, const double* a, const double* b,
                     const double* c, double* out) noexcept {
  switch (op) {
    case FormulaOp::Add:
      return loop2(n, a, b, out, [](double x, double y) { return x + y; });
    case FormulaOp::Subtract:
      return loop2(n, a, b, out, [](double x, double y) { return x - y; });
    case FormulaOp::Multiply:
      return loop2(n, a, b, out, [](double x, double y) { return x * y; });
    case FormulaOp::Divide:
      return loop2(n, a, b, out, [](double x, double y) { return x / y; });
    case FormulaOp::Power:
      return loop2(n, a, b, out, [](double x, double y) { return std::pow(x, y); });
    case FormulaOp::Min:
      return loop2(n, a, b, out, [](double x, double y) { return y < x ? y : x; });
    case FormulaOp::Max:
      return loop2(n, a, b, out, [](double x, double y) { return x < y ? y : x; });
    case FormulaOp::Atan2:
      return loop2(n, a, b, out, [](double x, double y) { return std::atan2(x, y); });
    case FormulaOp::Hypot:
      return loop2(n, a, b, out, [](double x, double y) { return std::hypot(x, y); });
    case FormulaOp::Less:
      return loop2(n, a, b, out, [](double x, double y) { return x < y ? 1.0 : 0.0; });
    case FormulaOp::LessEqual:
      return loop2(n, a, b, out, [](double x, double y) { return x <= y ? 1.0 : 0.0; });
    case FormulaOp::Greater:
      return loop2(n, a, b, out, [](double x, double y) { return x > y ? 1.0 : 0.0; });
    case FormulaOp::GreaterEqual:
      return loop2(n, a, b, out, [](double x, double y) { return x >= y ? 1.0 : 0.0; });
    case FormulaOp::Equal:
      return loop2(n, a, b, out, [](double x, double y) { return x == y ? 1.0 : 0.0; });
    case FormulaOp::NotEqual:
      return loop2(n, a, b, out, [](double x, double y) { return x != y ? 1.0 : 0.0; });
    case FormulaOp::And:
      return loop2(n, a, b, out, [](double x, double y) { return x != 0 && y != 0 ? 1.0 : 0.0; });
    case FormulaOp::Or:
      return loop2(n, a, b, out, [](double x, double y) { return x != 0 || y != 0 ? 1.0 : 0.0; });
    case FormulaOp::Select:
      for (std::int64_t i = 0; i < n; ++i) out[i] = a[i] != 0 ? b[i] : c[i];
      return;
    default:
      return apply_function(op, n, a, out);
  }
}

}  // namespace jetcal::jec::detail
