// SPDX-License-Identifier: Apache-2.0
#include <gmock/gmock.h>

#include <algorithm>
#include <cmath>

#include "jetcal/base/random.h"
#include "jetcal/jec/detail/least_squares.h"
#include "jetcal/jec/detail/robust.h"

namespace jetcal::jec::detail {
namespace {

std::vector<double> normal_values(int count, std::uint64_t seed) {
  Rng rng(seed);
  std::vector<double> values(count);
  for (double& value : values) value = 3 + 2 * rng.normal();
  return values;
}

// Draws the samples that bootstrapped_median() does not draw.
double plain_bootstrap_error(const std::vector<double>& values, int resamplings) {
  Rng rng(99);
  double sum = 0, squares = 0;
  for (int i = 0; i < resamplings; ++i) {
    std::vector<double> sample;
    for (std::size_t k = 0; k < values.size(); ++k)
      sample.push_back(values[rng.below(values.size())]);
    const double median = quantile(sample, 0.5);
    sum += median - values.front();  // the errors of one value must come out as 0
    squares += (median - values.front()) * (median - values.front());
  }
  return std::sqrt((squares - sum * sum / resamplings) / (resamplings - 1));
}

TEST(Robust, BootstrapWithoutSamplesMatchesTheOneWithSamples) {
  for (const int count : {1, 2, 5, 10, 101, 400}) {
    std::vector<double> values = normal_values(count, count);
    constexpr int kResamplings = 4000;
    const double expected = plain_bootstrap_error(values, kResamplings);
    const Measured got = bootstrapped_median(values, kResamplings, 1);
    // Two standard deviations from 4000 numbers each: 5 % is more than 4 sigma of their ratio.
    EXPECT_NEAR(got.error, expected, 0.05 * expected + 1e-12) << count;
  }
}

TEST(Robust, QuantilesInterpolate) {
  std::vector<double> values{4, 1, 3, 2};
  EXPECT_DOUBLE_EQ(quantile(values, 0.5), 2.5);
  EXPECT_DOUBLE_EQ(quantile(values, 0), 1);
  EXPECT_DOUBLE_EQ(quantile(values, 1), 4);
  EXPECT_DOUBLE_EQ(quantile(values, 0.25), 1.75);
  std::vector<double> none;
  EXPECT_TRUE(std::isnan(quantile(none, 0.5)));
}

TEST(Robust, ErrorsAreTheSpreadOfRepeatedMeasurements) {
  double sum = 0, squares = 0, median_error = 0, trim_sum = 0, trim_squares = 0, trim_error = 0;
  constexpr int kRepeats = 2000;
  for (int i = 0; i < kRepeats; ++i) {
    std::vector<double> values = normal_values(200, 1000 + i);
    const Measured m = median(values), t = trimmed_mean(values, 0.1);
    sum += m.value;
    squares += m.value * m.value;
    median_error += m.error / kRepeats;
    trim_sum += t.value;
    trim_squares += t.value * t.value;
    trim_error += t.error / kRepeats;
  }
  const auto spread = [](double s, double q) {
    return std::sqrt((q - s * s / kRepeats) / kRepeats);
  };
  EXPECT_NEAR(median_error / spread(sum, squares), 1, 0.08);
  EXPECT_NEAR(trim_error / spread(trim_sum, trim_squares), 1, 0.08);
  EXPECT_NEAR(trim_sum / kRepeats, 3, 0.02);
}

TEST(Robust, TrimmedMeanLeavesOutBothEnds) {
  std::vector<double> values{1000, 2, 3, 4, -500, 5, 6, 7, 8, 9};
  EXPECT_DOUBLE_EQ(trimmed_mean(values, 0.1).value, 44.0 / 8);
}

TEST(LeastSquares, RecoversAPolynomialAndItsCovariance) {
  const std::vector<double> truth{1.5, -0.3, 0.2};
  Rng rng(4);
  double pull = 0;
  constexpr int kRepeats = 500;
  for (int repeat = 0; repeat < kRepeats; ++repeat) {
    std::vector<double> design, y, error;
    for (int i = 0; i < 30; ++i) {
      const double t = -1 + i / 10.0, sigma = 0.01 + 0.001 * i;
      design.insert(design.end(), {1.0, t, t * t});
      y.push_back(truth[0] + truth[1] * t + truth[2] * t * t + sigma * rng.normal());
      error.push_back(sigma);
    }
    const auto fit = fit_linear(design, y, error);
    ASSERT_TRUE(fit.has_value());
    for (int k = 0; k < 3; ++k) {
      const double distance = (fit->parameters[k] - truth[k]) / std::sqrt(fit->covariance[4 * k]);
      EXPECT_LT(std::abs(distance), 5);
      pull += distance * distance / (3 * kRepeats);
    }
  }
  EXPECT_NEAR(pull, 1, 0.15);
}

TEST(LeastSquares, RefusesColumnsThatDependOnEachOther) {
  const std::vector<double> design{1, 2, 1, 2, 1, 2}, y{1, 2, 3}, error{1, 1, 1};
  EXPECT_FALSE(fit_linear(design, y, error).has_value());
  EXPECT_FALSE(
      fit_linear(std::vector<double>{1, 2}, std::vector<double>{1}, std::vector<double>{1}));
}

}  // namespace
}  // namespace jetcal::jec::detail
