// SPDX-License-Identifier: Apache-2.0
// The standard normal distribution.
#pragma once

namespace jetcal::hpo::detail {

double normal_cdf(double z) noexcept;
/// Inverse of normal_cdf: relative error below 1e-9 (Acklam's approximation, one Halley step);
/// probabilities of 0 and 1 give about -38 and 38.
double normal_quantile(double probability) noexcept;
/// log(normal_cdf(z)), also far in the lower tail.
double log_normal_cdf(double z) noexcept;
/// Logarithm of the expected amount by which a normal variable lies below 0, for mean -z and
/// deviation 1: log(phi(z) + z Phi(z)), without cancellation (Ament et al. 2023).
double log_expected_improvement(double z) noexcept;
/// Derivative of the above.
double log_expected_improvement_slope(double z) noexcept;

}  // namespace jetcal::hpo::detail
