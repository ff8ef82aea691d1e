// SPDX-License-Identifier: Apache-2.0
#include "jetcal/hpo/detail/gaussian_process.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "jetcal/base/error.h"
#include "jetcal/hpo/detail/lbfgs.h"

namespace jetcal::hpo::detail {

namespace {

const double kRootFive = std::sqrt(5.0);
constexpr double kJitter = 1e-8;
constexpr double kMiddle = 0.5;  // of an axis, beside which absent parameters lie
// Range in which the fit may move: lengths from a fiftieth of the cube to where an axis is flat.
constexpr double kShortest = -4;
constexpr double kLongest = 5;
constexpr double kLeastNoise = -13.8;  // 1e-6
constexpr double kMostNoise = 1;
// Lengths: log-normal around 0.6 sqrt(axes), so that a function of many parameters is not rougher a
// priori than one of few (the scaling is that of Hvarfner et al. 2024). This and the noise were
// chosen on the development tasks of bench/hpo.
constexpr double kLengthMean = -0.5;
constexpr double kLengthVariance = 2;
// Noise: log-normal around 1e-4 of the variance, with a deviation of three; scale: around 1.
constexpr double kNoiseMean = -9;
constexpr double kNoiseVariance = 9;

}  // namespace

GaussianProcess::GaussianProcess(const Encoding& encoding) : encoding_(encoding) {}

double GaussianProcess::squared_difference(std::size_t axis, double a, double b) const {
  const bool lacks_a = std::isnan(a);
  const bool lacks_b = std::isnan(b);
  const bool differs = lacks_a != lacks_b;
  if (encoding_.is_categorical(axis)) return differs || std::abs(a - b) > 1e-9 ? 1 : 0;
  const double along = (lacks_a ? kMiddle : a) - (lacks_b ? kMiddle : b);
  return along * along + (differs ? 1 : 0);
}

void GaussianProcess::set_data(const std::vector<const Point*>& x, const Eigen::VectorXd& y) {
  const auto axes = static_cast<Eigen::Index>(encoding_.size());
  const auto count = static_cast<Eigen::Index>(x.size());
  x_.resize(axes, count);
  for (Eigen::Index i = 0; i < count; ++i)
    x_.col(i) = Eigen::Map<const Eigen::VectorXd>(x[static_cast<std::size_t>(i)]->data(), axes);
  y_ = y;
  factor_.resize(0, 0);
}

void GaussianProcess::measure_pairs() {
  const Eigen::Index count = x_.cols();
  squares_.resize(count * (count - 1) / 2, x_.rows());
  for (Eigen::Index a = 0; a < x_.rows(); ++a)
    for (Eigen::Index j = 0, pair = 0; j < count; ++j)
      for (Eigen::Index i = j + 1; i < count; ++i)
        squares_(pair++, a) = squared_difference(static_cast<std::size_t>(a), x_(a, i), x_(a, j));
}

GpParameters GaussianProcess::start() const {
  GpParameters parameters;
  const auto axes = static_cast<Eigen::Index>(encoding_.size());
  parameters.log_lengths =
      Eigen::VectorXd::Constant(axes, -0.7 + 0.5 * std::log(static_cast<double>(axes)));
  parameters.log_scale = 0;
  parameters.log_noise = -6;
  return parameters;
}

double GaussianProcess::log_posterior(const GpParameters& parameters,
                                      Eigen::VectorXd* slope) const {
  const Eigen::Index axes = x_.rows();
  const Eigen::Index count = x_.cols();
  // Pairs of trials in the order of the strictly lower triangle, column by column.
  const Eigen::VectorXd weights = (-2 * parameters.log_lengths.array()).exp().matrix();
  const Eigen::ArrayXd r2 = (squares_ * weights).array();
  const double scale = std::exp(parameters.log_scale);
  const double noise = std::exp(parameters.log_noise);
  const Eigen::ArrayXd r = kRootFive * r2.sqrt();
  const Eigen::ArrayXd decay = scale * (-r).exp();
  const Eigen::ArrayXd kernel = decay * (1 + r + (5.0 / 3) * r2);
  Eigen::MatrixXd factor(count, count);
  for (Eigen::Index j = 0, pair = 0; j < count; ++j) {
    const Eigen::Index below = count - j - 1;
    factor(j, j) = scale + noise + kJitter;
    factor.col(j).tail(below) = kernel.segment(pair, below).matrix();
    pair += below;
  }
  const Eigen::LLT<Eigen::Ref<Eigen::MatrixXd>> llt(factor);
  if (llt.info() != Eigen::Success) return -std::numeric_limits<double>::infinity();
  const Eigen::VectorXd alpha = llt.solve(y_);
  const double half_log_determinant = factor.diagonal().array().log().sum();
  const double length_mean = kLengthMean + 0.5 * std::log(static_cast<double>(axes));
  const Eigen::ArrayXd off = parameters.log_lengths.array() - length_mean;
  const double noise_off = parameters.log_noise - kNoiseMean;
  const double value = -0.5 * y_.dot(alpha) - half_log_determinant -
                       off.square().sum() / (2 * kLengthVariance) -
                       0.5 * parameters.log_scale * parameters.log_scale -
                       noise_off * noise_off / (2 * kNoiseVariance);
  if (slope == nullptr) return value;
  // d value / d theta = tr((alpha alpha^T - K^-1) dK / d theta) / 2, K^-1 = L^-T L^-1.
  Eigen::MatrixXd root = Eigen::MatrixXd::Identity(count, count);
  factor.triangularView<Eigen::Lower>().solveInPlace(root);
  Eigen::MatrixXd weight = Eigen::MatrixXd::Zero(count, count);
  weight.selfadjointView<Eigen::Lower>().rankUpdate(root.transpose(), -1);
  weight.selfadjointView<Eigen::Lower>().rankUpdate(alpha, 1);
  Eigen::ArrayXd pairs(kernel.size());
  for (Eigen::Index j = 0, pair = 0; j < count; ++j) {
    const Eigen::Index below = count - j - 1;
    pairs.segment(pair, below) = weight.col(j).tail(below).array();
    pair += below;
  }
  slope->resize(axes + 2);
  // dk / d log length = 5/3 (1 + sqrt5 r) exp(-sqrt5 r) scale (difference / length)^2; every pair
  // counts twice.
  const Eigen::VectorXd common = (pairs * (5.0 / 3) * (1 + r) * decay).matrix();
  slope->head(axes) =
      (weights.array() * (squares_.transpose() * common).array() - off / kLengthVariance).matrix();
  const double trace = weight.trace();
  (*slope)[axes] = (pairs * kernel).sum() + 0.5 * scale * trace - parameters.log_scale;
  (*slope)[axes + 1] = 0.5 * noise * trace - noise_off / kNoiseVariance;
  return value;
}

GpParameters GaussianProcess::fit(const GpParameters& from, int steps) {
  measure_pairs();
  const Eigen::Index axes = x_.rows();
  const auto unpack = [axes](const Eigen::VectorXd& theta) {
    GpParameters parameters;
    parameters.log_lengths = theta.head(axes);
    parameters.log_scale = theta[axes];
    parameters.log_noise = theta[axes + 1];
    return parameters;
  };
  Eigen::VectorXd theta(axes + 2), low(axes + 2), high(axes + 2);
  theta << from.log_lengths, from.log_scale, from.log_noise;
  low << Eigen::VectorXd::Constant(axes, kShortest), -5, kLeastNoise;
  high << Eigen::VectorXd::Constant(axes, kLongest), 5, kMostNoise;
  maximise(theta, low, high, steps, [&](const Eigen::VectorXd& at, Eigen::VectorXd& slope) {
    return log_posterior(unpack(at), &slope);
  });
  return unpack(theta);
}

Eigen::ArrayXd GaussianProcess::scaled_distances(const Point& point) const {
  Eigen::ArrayXd r2 = Eigen::ArrayXd::Zero(rows_.rows());
  for (Eigen::Index a = 0; a < rows_.cols(); ++a) {
    const auto axis = static_cast<std::size_t>(a);
    const double weight = std::exp(-2 * parameters_.log_lengths[a]);
    const double u = point[axis];
    if (!encoding_.is_categorical(axis) && !encoding_.is_conditional(axis)) {
      r2 += (rows_.col(a).array() - u).square() * weight;
      continue;
    }
    for (Eigen::Index i = 0; i < rows_.rows(); ++i)
      r2[i] += squared_difference(axis, u, rows_(i, a)) * weight;
  }
  return r2;
}

Eigen::VectorXd GaussianProcess::column(const Point& point) const {
  const Eigen::ArrayXd r2 = scaled_distances(point);
  const Eigen::ArrayXd r = kRootFive * r2.sqrt();
  return (std::exp(parameters_.log_scale) * (-r).exp() * (1 + r + (5.0 / 3) * r2)).matrix();
}

void GaussianProcess::condition(const GpParameters& parameters) {
  parameters_ = parameters;
  rows_ = x_.transpose();
  const Eigen::Index count = x_.cols();
  Eigen::MatrixXd covariance(count, count);
  Point point(encoding_.size());
  for (Eigen::Index i = 0; i < count; ++i) {
    Eigen::Map<Eigen::VectorXd>(point.data(), x_.rows()) = x_.col(i);
    covariance.col(i) = column(point);
  }
  covariance.diagonal().array() += std::exp(parameters.log_noise) + kJitter;
  const Eigen::LLT<Eigen::MatrixXd> llt(covariance);
  if (llt.info() != Eigen::Success)
    fail(ErrorCode::Internal, "the covariance of ", count, " trials cannot be factored");
  factor_ = llt.matrixL();
  alpha_ = solve(y_);
}

void GaussianProcess::append(const Point& x, double y) {
  const Eigen::Index count = x_.cols();
  const Eigen::VectorXd k = column(x);
  const double own = std::exp(parameters_.log_scale) + std::exp(parameters_.log_noise) + kJitter;
  // The factor gets one more row: L^-1 k, and what is left of the variance.
  const Eigen::VectorXd row = factor_.triangularView<Eigen::Lower>().solve(k);
  factor_.conservativeResize(count + 1, count + 1);
  factor_.col(count).setZero();
  factor_.row(count).head(count) = row.transpose();
  factor_(count, count) = std::sqrt(std::max(kJitter, own - row.squaredNorm()));
  x_.conservativeResize(Eigen::NoChange, count + 1);
  x_.col(count) = Eigen::Map<const Eigen::VectorXd>(x.data(), x_.rows());
  rows_ = x_.transpose();
  y_.conservativeResize(count + 1);
  y_[count] = y;
  alpha_ = solve(y_);
}

Eigen::VectorXd GaussianProcess::solve(const Eigen::VectorXd& right) const {
  Eigen::VectorXd x = factor_.triangularView<Eigen::Lower>().solve(right);
  factor_.transpose().triangularView<Eigen::Upper>().solveInPlace(x);
  return x;
}

double GaussianProcess::lowest_mean(const std::vector<char>& counts) const {
  // K alpha = y - noise alpha.
  const double noise = std::exp(parameters_.log_noise) + kJitter;
  double lowest = std::numeric_limits<double>::infinity();
  for (std::size_t i = 0; i < counts.size(); ++i) {
    const auto index = static_cast<Eigen::Index>(i);
    if (counts[i] != 0) lowest = std::min(lowest, y_[index] - noise * alpha_[index]);
  }
  return lowest;
}

GpPrediction GaussianProcess::predict(const Point& point, bool slopes) const {
  const Eigen::ArrayXd r2 = scaled_distances(point);
  const Eigen::ArrayXd r = kRootFive * r2.sqrt();
  const double scale = std::exp(parameters_.log_scale);
  const Eigen::ArrayXd decay = scale * (-r).exp();
  const Eigen::VectorXd k = (decay * (1 + r + (5.0 / 3) * r2)).matrix();
  Eigen::VectorXd v = factor_.triangularView<Eigen::Lower>().solve(k);
  GpPrediction prediction;
  prediction.mean = k.dot(alpha_);
  prediction.variance = std::max(1e-12 * scale, scale - v.squaredNorm());
  if (!slopes) return prediction;
  factor_.transpose().triangularView<Eigen::Upper>().solveInPlace(v);
  // dk / du = -5/3 (1 + sqrt5 r) exp(-sqrt5 r) scale (u - x) / length^2.
  const Eigen::ArrayXd common = (-5.0 / 3) * (1 + r) * decay;
  const Eigen::Index axes = rows_.cols();
  prediction.mean_slope = Eigen::VectorXd::Zero(axes);
  prediction.variance_slope = Eigen::VectorXd::Zero(axes);
  const Eigen::ArrayXd by_mean = common * alpha_.array();
  const Eigen::ArrayXd by_variance = common * v.array();
  for (Eigen::Index a = 0; a < axes; ++a) {
    const auto axis = static_cast<std::size_t>(a);
    if (encoding_.is_categorical(axis) || std::isnan(point[axis])) continue;
    const double weight = std::exp(-2 * parameters_.log_lengths[a]);
    const Eigen::ArrayXd away = point[axis] - rows_.col(a).array().unaryExpr([](double x) {
      return std::isnan(x) ? kMiddle : x;
    });
    prediction.mean_slope[a] = weight * (by_mean * away).sum();
    prediction.variance_slope[a] = -2 * weight * (by_variance * away).sum();
  }
  return prediction;
}

void GaussianProcess::predict(const std::vector<Point>& points, Eigen::VectorXd& means,
                              Eigen::VectorXd& variances) const {
  const auto count = static_cast<Eigen::Index>(points.size());
  Eigen::MatrixXd k(rows_.rows(), count);
  for (Eigen::Index i = 0; i < count; ++i) k.col(i) = column(points[static_cast<std::size_t>(i)]);
  means = k.transpose() * alpha_;
  factor_.triangularView<Eigen::Lower>().solveInPlace(k);
  const double scale = std::exp(parameters_.log_scale);
  variances = (scale - k.array().square().colwise().sum()).max(1e-12 * scale).matrix().transpose();
}

}  // namespace jetcal::hpo::detail
