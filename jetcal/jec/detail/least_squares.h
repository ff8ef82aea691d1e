// SPDX-License-Identifier: Apache-2.0
// Weighted linear least squares for a handful of parameters.
#pragma once

#include <optional>
#include <span>
#include <vector>

namespace jetcal::jec::detail {

struct LinearFit {
  std::vector<double> parameters;
  std::vector<double> covariance;  ///< [k, k], row-major
  double chi2 = 0;
};

/// Minimises sum ((y - design p) / error)^2 by Householder's QR decomposition.
///
/// Shapes: design [n, k] row-major, y [n], error [n] > 0, n >= k. Returns nothing when the columns
/// of the design depend on each other.
std::optional<LinearFit> fit_linear(std::span<const double> design, std::span<const double> y,
                                    std::span<const double> error);

}  // namespace jetcal::jec::detail
