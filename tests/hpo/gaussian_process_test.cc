// SPDX-License-Identifier: Apache-2.0
#include "jetcal/hpo/detail/gaussian_process.h"

#include <gtest/gtest.h>

#include <cmath>

#include "jetcal/hpo/detail/lbfgs.h"
#include "jetcal/hpo/detail/loss_scale.h"
#include "jetcal/hpo/detail/normal.h"

namespace jetcal::hpo::detail {
namespace {

SearchSpace mixed() {
  return SearchSpace::from_config(
      Config::parse("parameters:\n"
                    "  x: {type: float, low: 0, high: 1}\n"
                    "  n: {type: integer, low: 1, high: 5}\n"
                    "  word: {type: categorical, choices: [a, b, c]}\n"
                    "  y: {type: float, low: 0, high: 2, when: {word: [a, b]}}\n",
                    "test"),
      "");
}

struct Sample {
  Encoding encoding{mixed()};
  std::vector<Point> points;
  std::vector<const Point*> pointers;
  Eigen::VectorXd y;
  GpParameters parameters;

  explicit Sample(std::size_t count) {
    Rng rng(11);
    for (std::size_t i = 0; i < count; ++i) points.push_back(encoding.random(rng));
    for (const Point& point : points) pointers.push_back(&point);
    y.resize(static_cast<Eigen::Index>(count));
    for (double& value : y) value = rng.normal();
    parameters.log_lengths = Eigen::Vector4d(-0.5, 0.2, 0.4, -0.1);
    parameters.log_scale = 0.3;
    parameters.log_noise = -3;
  }
};

// The kernel as it is written in textbooks, pair by pair.
double kernel(const Sample& sample, const Point& a, const Point& b) {
  double r2 = 0;
  for (std::size_t axis = 0; axis < a.size(); ++axis) {
    const auto middle = [](double u) { return std::isnan(u) ? 0.5 : u; };
    double d2 = std::pow(middle(a[axis]) - middle(b[axis]), 2);
    if (axis == 2) d2 = a[axis] == b[axis] ? 0 : 1;
    if (std::isnan(a[axis]) != std::isnan(b[axis])) d2 += 1;
    r2 += d2 * std::exp(-2 * sample.parameters.log_lengths[static_cast<Eigen::Index>(axis)]);
  }
  const double r = std::sqrt(5 * r2);
  return std::exp(sample.parameters.log_scale) * (1 + r + r * r / 3) * std::exp(-r);
}

Eigen::MatrixXd covariance(const Sample& sample) {
  const auto count = static_cast<Eigen::Index>(sample.points.size());
  Eigen::MatrixXd k(count, count);
  for (Eigen::Index i = 0; i < count; ++i)
    for (Eigen::Index j = 0; j < count; ++j)
      k(i, j) = kernel(sample, sample.points[static_cast<std::size_t>(i)],
                       sample.points[static_cast<std::size_t>(j)]);
  k.diagonal().array() += std::exp(sample.parameters.log_noise) + 1e-8;
  return k;
}

TEST(GaussianProcess, PredictsAsTheDenseFormulaSays) {
  const Sample sample(25);
  GaussianProcess process(sample.encoding);
  process.set_data(sample.pointers, sample.y);
  process.condition(sample.parameters);
  const Eigen::MatrixXd inverse = covariance(sample).inverse();
  Rng rng(3);
  std::vector<Point> asked;
  for (int i = 0; i < 30; ++i) asked.push_back(sample.encoding.random(rng));
  Eigen::VectorXd means, variances;
  process.predict(asked, means, variances);
  for (std::size_t i = 0; i < asked.size(); ++i) {
    Eigen::VectorXd k(sample.y.size());
    for (Eigen::Index j = 0; j < k.size(); ++j)
      k[j] = kernel(sample, asked[i], sample.points[static_cast<std::size_t>(j)]);
    const double mean = k.dot(inverse * sample.y);
    const double variance = kernel(sample, asked[i], asked[i]) - k.dot(inverse * k);
    const GpPrediction one = process.predict(asked[i], true);
    EXPECT_NEAR(one.mean, mean, 1e-8);
    EXPECT_NEAR(one.variance, variance, 1e-8);
    EXPECT_NEAR(means[static_cast<Eigen::Index>(i)], mean, 1e-8);
    EXPECT_NEAR(variances[static_cast<Eigen::Index>(i)], variance, 1e-8);
  }
}

TEST(GaussianProcess, FactorsManyPointsWithAndWithoutAParameter) {
  Sample sample(600);
  sample.parameters.log_lengths = Eigen::Vector4d(3, 3, 3, 2);
  sample.parameters.log_noise = -13.8;
  GaussianProcess process(sample.encoding);
  process.set_data(sample.pointers, sample.y);
  EXPECT_NO_THROW(process.condition(sample.parameters));
}

TEST(GaussianProcess, SlopesMeetCentralDifferences) {
  const Sample sample(20);
  GaussianProcess process(sample.encoding);
  process.set_data(sample.pointers, sample.y);
  process.condition(sample.parameters);
  constexpr double kStep = 1e-5;
  Rng rng(8);
  Point point = sample.encoding.random(rng);
  point[2] = sample.encoding.center(2, 0);
  point[3] = 0.4;
  const GpPrediction at = process.predict(point, true);
  for (const std::size_t axis : {0U, 1U, 3U}) {
    Point up = point, down = point;
    up[axis] += kStep;
    down[axis] -= kStep;
    const GpPrediction above = process.predict(up, false);
    const GpPrediction below = process.predict(down, false);
    const auto index = static_cast<Eigen::Index>(axis);
    EXPECT_NEAR(at.mean_slope[index], (above.mean - below.mean) / (2 * kStep), 1e-6);
    EXPECT_NEAR(at.variance_slope[index], (above.variance - below.variance) / (2 * kStep), 1e-6);
  }
}

TEST(GaussianProcess, SlopeOfThePosteriorMeetsCentralDifferences) {
  const Sample sample(20);
  GaussianProcess process(sample.encoding);
  process.set_data(sample.pointers, sample.y);
  process.measure_pairs();
  Eigen::VectorXd slope;
  process.log_posterior(sample.parameters, &slope);
  constexpr double kStep = 1e-5;
  for (Eigen::Index i = 0; i < slope.size(); ++i) {
    const auto at = [&](double by) {
      GpParameters parameters = sample.parameters;
      (i < 4    ? parameters.log_lengths[i]
       : i == 4 ? parameters.log_scale
                : parameters.log_noise) += by;
      return process.log_posterior(parameters, nullptr);
    };
    EXPECT_NEAR(slope[i], (at(kStep) - at(-kStep)) / (2 * kStep), 1e-5) << i;
  }
}

TEST(GaussianProcess, AppendingEqualsFactoringAnew) {
  const Sample sample(18);
  GaussianProcess whole(sample.encoding), grown(sample.encoding);
  whole.set_data(sample.pointers, sample.y);
  whole.condition(sample.parameters);
  grown.set_data({sample.pointers.begin(), sample.pointers.begin() + 12}, sample.y.head(12));
  grown.condition(sample.parameters);
  for (std::size_t i = 12; i < 18; ++i)
    grown.append(sample.points[i], sample.y[static_cast<Eigen::Index>(i)]);
  Rng rng(5);
  for (int i = 0; i < 10; ++i) {
    const Point point = sample.encoding.random(rng);
    const GpPrediction a = whole.predict(point, true);
    const GpPrediction b = grown.predict(point, true);
    EXPECT_NEAR(a.mean, b.mean, 1e-9);
    EXPECT_NEAR(a.variance, b.variance, 1e-9);
  }
}

TEST(GaussianProcess, LowestMeanIsThatOfThePredictions) {
  const Sample sample(15);
  GaussianProcess process(sample.encoding);
  process.set_data(sample.pointers, sample.y);
  process.condition(sample.parameters);
  std::vector<char> counts(15, 1);
  counts[3] = counts[7] = 0;
  double lowest = INFINITY;
  for (std::size_t i = 0; i < 15; ++i)
    if (counts[i] != 0) lowest = std::min(lowest, process.predict(sample.points[i], false).mean);
  EXPECT_NEAR(process.lowest_mean(counts), lowest, 1e-9);
}

TEST(GaussianProcess, FitClimbsAndFindsTheAxisThatMatters) {
  Sample sample(60);
  for (std::size_t i = 0; i < 60; ++i)
    sample.y[static_cast<Eigen::Index>(i)] = std::sin(9 * sample.points[i][0]);
  GaussianProcess process(sample.encoding);
  process.set_data(sample.pointers, standardise(sample.y));
  process.measure_pairs();
  const GpParameters start = process.start();
  const GpParameters fitted = process.fit(start, 30);
  EXPECT_GT(process.log_posterior(fitted, nullptr), process.log_posterior(start, nullptr) + 5);
  for (Eigen::Index axis = 1; axis < 4; ++axis)
    EXPECT_LT(fitted.log_lengths[0] + 0.5, fitted.log_lengths[axis]);
}

TEST(Lbfgs, FindsTheTopOfABananaInsideItsBox) {
  const auto banana = [](const Eigen::VectorXd& x, Eigen::VectorXd& slope) {
    const double a = 1 - x[0], b = x[1] - x[0] * x[0];
    slope.resize(2);
    slope << 2 * a + 40 * b * x[0], -20 * b;
    return -a * a - 10 * b * b;
  };
  Eigen::VectorXd x = Eigen::Vector2d(-1, 1.5);
  maximise(x, Eigen::Vector2d(-2, -2), Eigen::Vector2d(2, 2), 200, banana);
  EXPECT_NEAR(x[0], 1, 1e-2);
  EXPECT_NEAR(x[1], 1, 2e-2);
  // With x[0] held to 0.5, the best x[1] is 0.25.
  x = Eigen::Vector2d(-1, 1.5);
  maximise(x, Eigen::Vector2d(-2, -2), Eigen::Vector2d(0.5, 2), 200, banana);
  EXPECT_NEAR(x[0], 0.5, 1e-6);
  EXPECT_NEAR(x[1], 0.25, 1e-3);
}

TEST(Normal, QuantileInvertsTheDistribution) {
  for (const double p : {1e-12, 1e-6, 0.001, 0.02, 0.3, 0.5, 0.8, 0.99, 1 - 1e-9})
    EXPECT_NEAR(normal_cdf(normal_quantile(p)) / p, 1, 1e-9) << p;
  EXPECT_NEAR(normal_quantile(0.975), 1.959963984540054, 1e-12);
}

TEST(Normal, LogExpectedImprovementIsSmoothFarIntoTheTail) {
  // Where both ways are exact they agree; further on the asymptote log phi(z) - 2 log|z| holds.
  const auto plain = [](double z) {
    return std::log(std::exp(-0.5 * z * z) / std::sqrt(2 * M_PI) + z * normal_cdf(z));
  };
  for (const double z : {-5.0, -4.2, -3.0, -1.0, 0.0, 2.0})
    EXPECT_NEAR(log_expected_improvement(z), plain(z), 1e-6) << z;
  const double z = -1000;
  EXPECT_NEAR(log_expected_improvement(z),
              -0.5 * z * z - 0.5 * std::log(2 * M_PI) - 2 * std::log(-z), 1e-4);
  EXPECT_NEAR(log_normal_cdf(-30), -454.3212439955, 1e-6);
  for (const double at : {-50.0, -6.0, -3.0, 0.5}) {
    const double difference =
        (log_expected_improvement(at + 1e-5) - log_expected_improvement(at - 1e-5)) / 2e-5;
    EXPECT_NEAR(log_expected_improvement_slope(at) / difference, 1, 1e-5) << at;
  }
}

TEST(LossScale, BendsSkewedLossesKeepingTheirOrder) {
  Rng rng(4);
  Eigen::VectorXd losses(200);
  for (double& loss : losses) loss = std::exp(3 * rng.normal());
  const Eigen::VectorXd bent = bend_to_normal(losses);
  EXPECT_NEAR(bent.mean(), 0, 1e-9);
  EXPECT_NEAR(bent.squaredNorm() / 200, 1, 1e-9);
  for (Eigen::Index i = 0; i < 200; ++i)
    for (Eigen::Index j = 0; j < 200; ++j)
      if (losses[i] < losses[j]) {
        ASSERT_LE(bent[i], bent[j]);
      }
  const auto skewness = [](const Eigen::VectorXd& x) {
    return std::abs(standardise(x).array().cube().mean());
  };
  EXPECT_LT(skewness(bent), 0.2 * skewness(losses));
  EXPECT_EQ(bend_to_normal(Eigen::VectorXd::Constant(5, 3.0)).norm(), 0);
}

}  // namespace
}  // namespace jetcal::hpo::detail
