// SPDX-License-Identifier: Apache-2.0
// Brings losses to a scale on which a Gaussian process fits them.
#pragma once

#include <Eigen/Dense>

namespace jetcal::hpo::detail {

/// Shifts and scales to mean 0 and variance 1; all equal gives zeros.
Eigen::VectorXd standardise(const Eigen::VectorXd& values);
/// Bends the values by the power transform of Yeo and Johnson (2000) that makes them most like a
/// normal distribution, then standardises. Keeps their order.
Eigen::VectorXd bend_to_normal(const Eigen::VectorXd& values);
/// The transform itself for one power.
double yeo_johnson(double value, double power) noexcept;

}  // namespace jetcal::hpo::detail
