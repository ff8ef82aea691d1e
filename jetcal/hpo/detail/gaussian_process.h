// SPDX-License-Identifier: Apache-2.0
// Gaussian process regression over points of the unit cube, with mixed axes.
#pragma once

#include <Eigen/Dense>
#include <vector>

#include "jetcal/hpo/encoding.h"

namespace jetcal::hpo::detail {

/// Logarithms of what the kernel is made of.
struct GpParameters {
  Eigen::VectorXd log_lengths;  ///< One per axis, in units of the cube.
  double log_scale = 0;         ///< Of the prior variance.
  double log_noise = -4;        ///< Of the variance of one observation.
};

/// Mean and variance of the process (without noise) at a point, and their slopes if asked for.
struct GpPrediction {
  double mean = 0;
  double variance = 1;
  Eigen::VectorXd mean_slope;
  Eigen::VectorXd variance_slope;
};

/// Matern-5/2 kernel with one length an axis. On a categorical axis different values lie a distance
/// of 1 apart. A parameter that does not exist lies a distance of 1 beside the middle of its axis:
/// with one distance to all its values points would fit into no space, and no covariance to them.
class GaussianProcess {
 public:
  explicit GaussianProcess(const Encoding& encoding);

  /// Sets the observations: columns of x are points, y has mean near 0 and variance near 1.
  void set_data(const std::vector<const Point*>& x, const Eigen::VectorXd& y);
  /// Lengths of most functions of so many parameters, no noise to speak of.
  GpParameters start() const;
  /// Computes the distances of all pairs of observations; fit() does that by itself.
  void measure_pairs();
  /// Climbs from `from` to a maximum of likelihood times prior in up to `steps` steps (L-BFGS).
  GpParameters fit(const GpParameters& from, int steps);
  /// Logarithm of likelihood times prior, up to a constant, with the slopes in the order lengths,
  /// scale, noise. Requires measure_pairs() since the data was set.
  double log_posterior(const GpParameters& parameters, Eigen::VectorXd* slope) const;

  /// Factors the covariance of the data; predictions need it. Throws Internal if that fails.
  void condition(const GpParameters& parameters);
  /// Adds an observation without factoring anew, in O(n^2).
  void append(const Point& x, double y);
  /// The lowest mean at those observations, of the first ones, that count.
  double lowest_mean(const std::vector<char>& counts) const;

  GpPrediction predict(const Point& point, bool slopes) const;
  /// Means and variances at many points.
  void predict(const std::vector<Point>& points, Eigen::VectorXd& means,
               Eigen::VectorXd& variances) const;
  Eigen::Index size() const noexcept { return x_.cols(); }

 private:
  Eigen::ArrayXd scaled_distances(const Point& point) const;
  double squared_difference(std::size_t axis, double a, double b) const;
  Eigen::VectorXd column(const Point& point) const;
  Eigen::VectorXd solve(const Eigen::VectorXd& right) const;

  const Encoding& encoding_;
  Eigen::MatrixXd x_;  // [axes, n]
  Eigen::VectorXd y_;
  Eigen::MatrixXd squares_;  // [n (n - 1) / 2, axes], for the fit
  GpParameters parameters_;
  Eigen::MatrixXd rows_;    // [n, axes]: x_ turned round, for columns of distances
  Eigen::MatrixXd factor_;  // lower Cholesky factor of the covariance
  Eigen::VectorXd alpha_;   // inverse of the covariance times y
};

}  // namespace jetcal::hpo::detail
