// SPDX-License-Identifier: Apache-2.0
// Climbs a smooth function inside a box.
#pragma once

#include <Eigen/Dense>
#include <functional>

namespace jetcal::hpo::detail {

/// Returns the value at a point and sets the slope; not a number or minus infinity where the
/// function does not exist.
using SmoothFunction = std::function<double(const Eigen::VectorXd& at, Eigen::VectorXd& slope)>;

/// Moves `x` uphill between `low` and `high` in up to `steps` steps: L-BFGS with coordinates at
/// their bounds held there, and halved steps where one does not pay. Returns the value at the end.
double maximise(Eigen::VectorXd& x, const Eigen::VectorXd& low, const Eigen::VectorXd& high,
                int steps, const SmoothFunction& function);

}  // namespace jetcal::hpo::detail
