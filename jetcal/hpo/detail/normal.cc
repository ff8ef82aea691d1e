// SPDX-License-Identifier: Apache-2.0
#include "jetcal/hpo/detail/normal.h"

#include <algorithm>
#include <array>
#include <cmath>

namespace jetcal::hpo::detail {

namespace {

const double kLogRootTwoPi = 0.5 * std::log(2 * M_PI);

double log_density(double z) { return -0.5 * z * z - kLogRootTwoPi; }

// Phi(z) / phi(z) for z < 0 by the continued fraction of Mills' ratio, which converges fast there.
double mills(double z) {
  const double x = -z;
  double fraction = 0;
  for (int k = 60; k >= 1; --k) fraction = k / (x + fraction);
  return 1 / (x + fraction);
}

}  // namespace

double normal_cdf(double z) noexcept { return 0.5 * std::erfc(-z * M_SQRT1_2); }

double normal_quantile(double probability) noexcept {
  constexpr std::array<double, 6> kA{-3.969683028665376e+01, 2.209460984245205e+02,
                                     -2.759285104469687e+02, 1.383577518672690e+02,
                                     -3.066479806614716e+01, 2.506628277459239e+00};
  constexpr std::array<double, 5> kB{-5.447609879822406e+01, 1.615858368580409e+02,
                                     -1.556989798598866e+02, 6.680131188771972e+01,
                                     -1.328068155288572e+01};
  constexpr std::array<double, 6> kC{-7.784894002430293e-03, -3.223964580411365e-01,
                                     -2.400758277161838e+00, -2.549732539343734e+00,
                                     4.374664141464968e+00,  2.938163982698783e+00};
  constexpr std::array<double, 4> kD{7.784695709041462e-03, 3.224671290700398e-01,
                                     2.445134137142996e+00, 3.754408661907416e+00};
  const double p = std::clamp(probability, 1e-300, 1 - 1e-16);
  const auto tail = [&](double q) {
    return (((((kC[0] * q + kC[1]) * q + kC[2]) * q + kC[3]) * q + kC[4]) * q + kC[5]) /
           ((((kD[0] * q + kD[1]) * q + kD[2]) * q + kD[3]) * q + 1);
  };
  double z = 0;
  if (p < 0.02425) {
    z = tail(std::sqrt(-2 * std::log(p)));
  } else if (p > 1 - 0.02425) {
    z = -tail(std::sqrt(-2 * std::log1p(-p)));
  } else {
    const double q = p - 0.5;
    const double r = q * q;
    z = (((((kA[0] * r + kA[1]) * r + kA[2]) * r + kA[3]) * r + kA[4]) * r + kA[5]) * q /
        (((((kB[0] * r + kB[1]) * r + kB[2]) * r + kB[3]) * r + kB[4]) * r + 1);
  }
  const double error = (normal_cdf(z) - p) / std::exp(log_density(z));
  const double step = error / (1 + z * error / 2);
  return std::isfinite(step) ? z - step : z;
}

double log_normal_cdf(double z) noexcept {
  return z > -5 ? std::log(normal_cdf(z)) : log_density(z) + std::log(mills(z));
}

double log_expected_improvement(double z) noexcept {
  if (z > -4) return std::log(std::exp(log_density(z)) + z * normal_cdf(z));
  // phi + z Phi = phi (1 + z R), R Mills' ratio; 1 - x R = R K with the tail of the fraction.
  const double x = -z;
  double fraction = 0;
  for (int k = 60; k >= 2; --k) fraction = k / (x + fraction);
  const double first = 1 / (x + fraction);  // of R = 1 / (x + first)
  return log_density(z) + std::log(first / (x + first));
}

double log_expected_improvement_slope(double z) noexcept {
  if (z > -4) return normal_cdf(z) / (std::exp(log_density(z)) + z * normal_cdf(z));
  const double x = -z;
  double fraction = 0;
  for (int k = 60; k >= 2; --k) fraction = k / (x + fraction);
  const double first = 1 / (x + fraction);
  return 1 / first;  // R / (1 - x R)
}

}  // namespace jetcal::hpo::detail
