// SPDX-License-Identifier: Apache-2.0
#include "jetcal/hpo/detail/loss_scale.h"

#include <algorithm>
#include <cmath>

namespace jetcal::hpo::detail {

namespace {

// Logarithm of the likelihood of a power, up to a constant.
double log_likelihood(const Eigen::VectorXd& values, double power) {
  const auto count = static_cast<double>(values.size());
  double sum = 0, squares = 0, jacobian = 0;
  for (const double value : values) {
    const double bent = yeo_johnson(value, power);
    sum += bent;
    squares += bent * bent;
    jacobian += std::copysign(std::log1p(std::abs(value)), value);
  }
  const double variance = squares / count - sum * sum / count / count;
  return -0.5 * count * std::log(std::max(variance, 1e-300)) + (power - 1) * jacobian;
}

}  // namespace

double yeo_johnson(double value, double power) noexcept {
  if (value >= 0)
    return std::abs(power) < 1e-9 ? std::log1p(value)
                                  : std::expm1(power * std::log1p(value)) / power;
  const double other = 2 - power;
  return std::abs(other) < 1e-9 ? -std::log1p(-value)
                                : -std::expm1(other * std::log1p(-value)) / other;
}

Eigen::VectorXd standardise(const Eigen::VectorXd& values) {
  if (values.size() == 0) return values;
  const Eigen::ArrayXd centered = values.array() - values.mean();
  const double deviation = std::sqrt(centered.square().mean());
  if (!(deviation > 0)) return Eigen::VectorXd::Zero(values.size());
  return (centered / deviation).matrix();
}

Eigen::VectorXd bend_to_normal(const Eigen::VectorXd& values) {
  // Median and quartiles rather than mean and deviation, which one diverged training would take.
  if (values.size() < 3) return standardise(values);
  std::vector<double> sorted(values.begin(), values.end());
  std::sort(sorted.begin(), sorted.end());
  const std::size_t count = sorted.size();
  const double middle = sorted[count / 2];
  double spread = sorted[count * 3 / 4] - sorted[count / 4];
  if (!(spread > 0)) spread = sorted.back() - sorted.front();
  if (!(spread > 0)) return Eigen::VectorXd::Zero(values.size());
  const Eigen::VectorXd scaled = (values.array() - middle) / spread;
  // Golden section over the powers that make sense.
  constexpr double kGolden = 0.6180339887498949;
  double low = -5, high = 3;
  double a = high - kGolden * (high - low), b = low + kGolden * (high - low);
  double at_a = log_likelihood(scaled, a), at_b = log_likelihood(scaled, b);
  for (int i = 0; i < 18; ++i) {
    if (at_a > at_b) {
      high = b;
      b = a;
      at_b = at_a;
      a = high - kGolden * (high - low);
      at_a = log_likelihood(scaled, a);
    } else {
      low = a;
      a = b;
      at_a = at_b;
      b = low + kGolden * (high - low);
      at_b = log_likelihood(scaled, b);
    }
  }
  const double power = (low + high) / 2;
  return standardise(scaled.unaryExpr([power](double x) { return yeo_johnson(x, power); }));
}

}  // namespace jetcal::hpo::detail
