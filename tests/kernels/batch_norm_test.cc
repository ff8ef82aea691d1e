// SPDX-License-Identifier: Apache-2.0
#include "jetcal/kernels/batch_norm.h"

#include <gtest/gtest.h>

#include "tests/kernels/kernel_case.h"

namespace jetcal::kernels {
namespace {

struct Case {
  std::int64_t rows, channels;
  Floats x, gamma, beta, grad_y;
  Activation activation = Activation::Relu;

  Case(std::int64_t num_rows, std::int64_t num_channels)
      : rows(num_rows),
        channels(num_channels),
        x(random_floats(rows * channels, 41)),
        gamma(random_floats(channels, 42)),
        beta(random_floats(channels, 43)),
        grad_y(random_floats(rows * channels, 44)) {}
};

struct Forward {
  Floats y, mean, inverse_deviation, running_mean, running_variance;

  explicit Forward(const Case& input)
      : y(input.x.size(), -7.0F),
        mean(input.gamma.size(), -7.0F),
        inverse_deviation(input.gamma.size(), -7.0F),
        running_mean(input.gamma.size(), 2.0F),
        running_variance(input.gamma.size(), 3.0F) {
    batch_norm_forward(input.x, input.channels, input.gamma, input.beta,
                       {.activation = input.activation}, y, mean, inverse_deviation, running_mean,
                       running_variance);
  }
};

struct Backward {
  Floats grad_x, grad_gamma, grad_beta;

  Backward(const Case& input, const Forward& forward)
      : grad_x(input.x.size(), -7.0F),
        grad_gamma(input.gamma.size(), -7.0F),
        grad_beta(input.gamma.size(), -7.0F) {
    batch_norm_backward(input.x, input.grad_y, input.channels, input.gamma, input.beta,
                        forward.mean, forward.inverse_deviation, input.activation, grad_x,
                        grad_gamma, grad_beta);
  }
};

// sum(y * grad_y) of the batch normalisation with relu, all in double.
double exact_loss(const Case& input, const std::vector<double>& x, const std::vector<double>& gamma,
                  const std::vector<double>& beta) {
  double loss = 0;
  for (std::int64_t c = 0; c < input.channels; ++c) {
    double mean = 0;
    for (std::int64_t r = 0; r < input.rows; ++r) mean += x[r * input.channels + c];
    mean /= static_cast<double>(input.rows);
    double variance = 0;
    for (std::int64_t r = 0; r < input.rows; ++r) {
      variance += std::pow(x[r * input.channels + c] - mean, 2);
    }
    variance /= static_cast<double>(input.rows);
    for (std::int64_t r = 0; r < input.rows; ++r) {
      const std::int64_t i = r * input.channels + c;
      const double y = gamma[c] * (x[i] - mean) / std::sqrt(variance + 1e-5) + beta[c];
      if (input.activation == Activation::None || y > 0) loss += y * input.grad_y[i];
    }
  }
  return loss;
}

class BatchNormTest : public KernelTest {};

TEST_P(BatchNormTest, MatchesReferenceAtEveryTail) {
  for (const std::int64_t channels : {1, 2, 7, 8, 9, 15, 16, 17, 31, 32, 33, 50}) {
    for (const std::int64_t rows : {0, 1, 2, 3, 100, 2500}) {
      for (const Activation activation : {Activation::None, Activation::Relu}) {
        Case input(rows, channels);
        input.activation = activation;
        const std::string name = std::to_string(rows) + " x " + std::to_string(channels);
        const Forward want = run_on(Isa::Ref, [&] { return Forward(input); });
        const Forward got = run_on(GetParam(), [&] { return Forward(input); });
        // mean and deviation come from double sums: one rounding. y: three roundings of values of
        // size 5 gamma; two rows that lie close divide by a small deviation, but x - mean is small
        // in the same ratio.
        const std::vector<double> few(input.gamma.size(), 4 * kRoundoff * 5);
        expect_near(got.mean, want.mean, few, "mean " + name);
        expect_near(got.running_mean, want.running_mean, few, "running mean " + name);
        expect_near(got.running_variance, want.running_variance, few, "running variance " + name);
        std::vector<double> bound;
        for (std::size_t i = 0; i < input.x.size(); ++i) {
          const std::size_t c = i % input.gamma.size();
          const double scale = std::abs(input.gamma[c]) * want.inverse_deviation[c];
          bound.push_back(8 * kRoundoff *
                          (scale * (std::abs(input.x[i]) + std::abs(want.mean[c])) + 5));
        }
        expect_near(got.y, want.y, bound, "y " + name);
      }
    }
  }
}

// grad_x depends on the sign of y near zero, so the variants are compared without relu; with relu
// the central differences below hold for each.
TEST_P(BatchNormTest, BackwardMatchesReferenceAtEveryTail) {
  for (const std::int64_t channels : {1, 2, 7, 8, 9, 15, 16, 17, 31, 32, 33, 50}) {
    Case input(2500, channels);
    input.activation = Activation::None;
    const Forward forward = run_on(Isa::Ref, [&] { return Forward(input); });
    const Backward want = run_on(Isa::Ref, [&] { return Backward(input, forward); });
    const Backward got = run_on(GetParam(), [&] { return Backward(input, forward); });
    // Double sums of up to 2500 values below 25, rounded once.
    const std::vector<double> sums(input.gamma.size(), 2 * kRoundoff * 300);
    expect_near(got.grad_gamma, want.grad_gamma, sums, "grad_gamma");
    expect_near(got.grad_beta, want.grad_beta, sums, "grad_beta");
    const std::vector<double> few(input.x.size(), 8 * kRoundoff * 25);
    expect_near(got.grad_x, want.grad_x, few, "grad_x");
  }
}

TEST_P(BatchNormTest, GradientsMatchCentralDifferences) {
  const ScopedIsa forced(GetParam());
  for (const Activation activation : {Activation::None, Activation::Relu}) {
    Case input(11, 9);
    input.activation = activation;
    const Backward got(input, Forward(input));
    std::vector<double> x(input.x.begin(), input.x.end());
    std::vector<double> gamma(input.gamma.begin(), input.gamma.end());
    std::vector<double> beta(input.beta.begin(), input.beta.end());
    const auto expect_slope = [&](std::vector<double>& values, const Floats& grads) {
      constexpr double kStep = 1e-5;  // rounding 1e-16 / 1e-5, curvature 1e-10: both below 1e-9
      for (std::size_t i = 0; i < values.size(); ++i) {
        const double before = values[i];
        values[i] = before + kStep;
        const double above = exact_loss(input, x, gamma, beta);
        values[i] = before - kStep;
        const double below = exact_loss(input, x, gamma, beta);
        values[i] = before;
        EXPECT_NEAR(grads[i], (above - below) / (2 * kStep), 50 * kRoundoff * 25);
      }
    };
    expect_slope(x, got.grad_x);
    expect_slope(gamma, got.grad_gamma);
    expect_slope(beta, got.grad_beta);
  }
}

TEST_P(BatchNormTest, KeepsAccuracyWhenTheMeanIsFarFromZero) {
  const ScopedIsa forced(GetParam());
  Case input(5000, 3);
  for (float& value : input.x) value = std::round(value * 64) / 64 + 4096;  // exact in float
  const Forward got(input);
  for (std::int64_t c = 0; c < 3; ++c) {
    double mean = 0;
    for (std::int64_t r = 0; r < input.rows; ++r) mean += input.x[r * 3 + c];
    mean /= static_cast<double>(input.rows);
    double variance = 0;
    for (std::int64_t r = 0; r < input.rows; ++r)
      variance += std::pow(input.x[r * 3 + c] - mean, 2);
    variance /= static_cast<double>(input.rows);
    EXPECT_NEAR(got.inverse_deviation[c], 1 / std::sqrt(variance + 1e-5), 4 * kRoundoff);
  }
}

TEST_P(BatchNormTest, RunningStatisticsMoveByTheMomentum) {
  const ScopedIsa forced(GetParam());
  Case input(2, 1);
  input.x = {1, 5};  // mean 3, unbiased variance 8
  const Forward got(input);
  EXPECT_FLOAT_EQ(got.running_mean[0], 0.9F * 2 + 0.1F * 3);
  EXPECT_FLOAT_EQ(got.running_variance[0], 0.9F * 3 + 0.1F * 8);
}

TEST_P(BatchNormTest, OneRowHasNoVarianceAndNoneMovesNothing) {
  const ScopedIsa forced(GetParam());
  Case one(1, 2);
  one.activation = Activation::None;
  const Forward single(one);
  EXPECT_EQ(single.y, one.beta);
  EXPECT_FLOAT_EQ(single.running_mean[0], 0.9F * 2 + 0.1F * one.x[0]);
  EXPECT_EQ(single.running_variance, Floats(2, 3.0F));
  // A constant output: what is left is the rounding of gamma / sqrt(epsilon) times grad_y.
  const Backward constant(one, single);
  for (std::int64_t c = 0; c < 2; ++c) {
    EXPECT_NEAR(constant.grad_x[c], 0,
                2 * kRoundoff * std::abs(one.gamma[c] * one.grad_y[c]) / std::sqrt(1e-5));
  }

  const Case none(0, 2);
  const Forward empty(none);
  EXPECT_EQ(empty.mean, Floats(2, 0.0F));
  EXPECT_EQ(empty.running_mean, Floats(2, 2.0F));
  EXPECT_EQ(empty.running_variance, Floats(2, 3.0F));
  EXPECT_EQ(Backward(none, empty).grad_gamma, Floats(2, 0.0F));
}

TEST_P(BatchNormTest, ThreadsChangeNoBit) {
  const ScopedIsa forced(GetParam());
  const Case input(9000, 13);
  const auto all = [&] {
    const Forward forward(input);
    const Backward backward(input, forward);
    Floats bits = forward.y;
    for (const Floats& more : {backward.grad_x, backward.grad_gamma, backward.grad_beta}) {
      bits.insert(bits.end(), more.begin(), more.end());
    }
    return bits;
  };
  const Floats one = run_with_threads(1, all);
  EXPECT_TRUE(same_bits(one, run_with_threads(1, all)));
  EXPECT_TRUE(same_bits(one, run_with_threads(2, all)));
}

JETCAL_TEST_VARIANTS(BatchNormTest);

}  // namespace
}  // namespace jetcal::kernels
