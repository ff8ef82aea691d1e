// SPDX-License-Identifier: Apache-2.0
#include "jetcal/kernels/layer_norm.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "tests/kernels/kernel_case.h"

namespace jetcal::kernels {
namespace {

struct Case {
  std::int64_t rows, channels;
  Floats x, gamma, beta, grad_y, residual;

  Case(std::int64_t num_rows, std::int64_t num_channels)
      : rows(num_rows),
        channels(num_channels),
        x(random_floats(rows * channels, 81)),
        gamma(random_floats(channels, 82)),
        beta(random_floats(channels, 83)),
        grad_y(random_floats(rows * channels, 84)),
        residual(random_floats(rows * channels, 85)) {}
};

struct Forward {
  Floats y, mean, inverse_deviation;

  explicit Forward(const Case& input)
      : y(input.x.size(), -7.0F),
        mean(static_cast<std::size_t>(input.rows), -7.0F),
        inverse_deviation(static_cast<std::size_t>(input.rows), -7.0F) {
    layer_norm_forward(input.x, input.channels, input.gamma, input.beta, y, mean,
                       inverse_deviation);
  }
};

struct Backward {
  Floats grad_x, grad_gamma, grad_beta;

  Backward(const Case& input, const Forward& forward)
      : grad_x(input.x.size(), -7.0F),
        grad_gamma(input.gamma.size(), -7.0F),
        grad_beta(input.gamma.size(), -7.0F) {
    layer_norm_backward(input.x, input.grad_y, input.channels, input.gamma, forward.mean,
                        forward.inverse_deviation, input.residual, grad_x, grad_gamma, grad_beta);
  }
};

// Rows of x - mean relative to the deviation stay below sqrt(C); sums run over C values.
double steps(const Case& input) { return static_cast<double>(input.channels) + 16; }

class LayerNormTest : public KernelTest {};

TEST_P(LayerNormTest, MatchesReferenceAtEveryTail) {
  for (const std::int64_t channels : {1, 2, 7, 8, 9, 15, 16, 17, 31, 32, 33, 64, 100}) {
    for (const std::int64_t rows : {0, 1, 3, 1000}) {
      const Case input(rows, channels);
      const std::string name = std::to_string(rows) + " x " + std::to_string(channels);
      const Forward want = run_on(Isa::Ref, [&] { return Forward(input); });
      const Forward got = run_on(GetParam(), [&] { return Forward(input); });
      std::vector<double> few(want.mean.size(), steps(input) * kRoundoff * 5);
      expect_near(got.mean, want.mean, few, "mean " + name);
      std::vector<double> bound;
      for (std::size_t i = 0; i < input.x.size(); ++i) {
        const double inverse = want.inverse_deviation[i / channels];
        // The error of the mean counts in deviations, that of the deviation for a value of size
        // sqrt(C) at most.
        const double own = std::abs(input.gamma[i % channels]) *
                           (5 * inverse + std::sqrt(static_cast<double>(channels)));
        bound.push_back(steps(input) * kRoundoff * (own + 5));
      }
      expect_near(got.y, want.y, bound, "y " + name);
    }
  }
}

TEST_P(LayerNormTest, BackwardMatchesReferenceAtEveryTail) {
  for (const std::int64_t channels : {2, 7, 8, 9, 15, 16, 17, 31, 32, 33, 64, 100}) {
    const Case input(1500, channels);
    const Forward forward = run_on(Isa::Ref, [&] { return Forward(input); });
    const Backward want = run_on(Isa::Ref, [&] { return Backward(input, forward); });
    const Backward got = run_on(GetParam(), [&] { return Backward(input, forward); });
    // Float sums of 64 values below 25, then double ones.
    const std::vector<double> sums(input.gamma.size(), 64 * kRoundoff * 25 * 25);
    expect_near(got.grad_gamma, want.grad_gamma, sums, "grad_gamma");
    expect_near(got.grad_beta, want.grad_beta, sums, "grad_beta");
    std::vector<double> bound;
    for (std::size_t i = 0; i < input.x.size(); ++i) {
      const double inverse = forward.inverse_deviation[i / channels];
      bound.push_back(steps(input) * kRoundoff * (25 * inverse * (1 + inverse) + 5));
    }
    expect_near(got.grad_x, want.grad_x, bound, "grad_x");
  }
}

double exact_loss(const Case& input, const std::vector<double>& x,
                  const std::vector<double>& gamma) {
  double loss = 0;
  for (std::int64_t r = 0; r < input.rows; ++r) {
    const double* row = x.data() + r * input.channels;
    double mean = 0;
    for (std::int64_t c = 0; c < input.channels; ++c) mean += row[c];
    mean /= static_cast<double>(input.channels);
    double variance = 0;
    for (std::int64_t c = 0; c < input.channels; ++c) variance += std::pow(row[c] - mean, 2);
    variance /= static_cast<double>(input.channels);
    for (std::int64_t c = 0; c < input.channels; ++c) {
      const double y = gamma[c] * (row[c] - mean) / std::sqrt(variance + 1e-5) + input.beta[c];
      loss += y * input.grad_y[r * input.channels + c];
    }
  }
  return loss;
}

TEST_P(LayerNormTest, GradientsMatchCentralDifferences) {
  const ScopedIsa forced(GetParam());
  Case input(5, 19);
  std::ranges::fill(input.residual, 0.0F);
  const Backward got(input, Forward(input));
  constexpr double kStep = 1e-5;
  const std::vector<double> x(input.x.begin(), input.x.end());
  const std::vector<double> gamma(input.gamma.begin(), input.gamma.end());
  const double bound = 1e-8 + 64 * kRoundoff * 25;
  for (std::size_t i = 0; i < x.size(); ++i) {
    std::vector<double> moved = x;
    moved[i] += kStep;
    const double above = exact_loss(input, moved, gamma);
    moved[i] -= 2 * kStep;
    EXPECT_NEAR(got.grad_x[i], (above - exact_loss(input, moved, gamma)) / (2 * kStep), bound);
  }
  for (std::size_t i = 0; i < gamma.size(); ++i) {
    std::vector<double> moved = gamma;
    moved[i] += kStep;
    const double above = exact_loss(input, x, moved);
    moved[i] -= 2 * kStep;
    EXPECT_NEAR(got.grad_gamma[i], (above - exact_loss(input, x, moved)) / (2 * kStep), bound);
  }
}

TEST_P(LayerNormTest, AddsTheResidual) {
  const ScopedIsa forced(GetParam());
  Case input(3, 21);
  const Forward forward(input);
  const Backward both(input, forward);
  Floats residual = input.residual;
  std::ranges::fill(input.residual, 0.0F);
  const Backward alone(input, forward);
  for (std::size_t i = 0; i < residual.size(); ++i) {
    EXPECT_NEAR(both.grad_x[i], alone.grad_x[i] + residual[i], 2 * kRoundoff * 25);
  }
}

TEST_P(LayerNormTest, BitsDependNeitherOnThreadsNorOnOtherRows) {
  const ScopedIsa forced(GetParam());
  const Case input(3000, 33);
  const Forward forward = run_with_threads(1, [&] { return Forward(input); });
  const Backward backward = run_with_threads(1, [&] { return Backward(input, forward); });
  for (const int threads : {2, 5}) {
    EXPECT_TRUE(same_bits(run_with_threads(threads, [&] { return Forward(input); }).y, forward.y));
    const Backward again = run_with_threads(threads, [&] { return Backward(input, forward); });
    EXPECT_TRUE(same_bits(again.grad_x, backward.grad_x));
    EXPECT_TRUE(same_bits(again.grad_gamma, backward.grad_gamma));
    EXPECT_TRUE(same_bits(again.grad_beta, backward.grad_beta));
  }
}

TEST_P(LayerNormTest, NormalisesPaddedRowsAsThePlainOnes) {
  const ScopedIsa forced(GetParam());
  Case input(5, 21);
  std::ranges::fill(input.gamma, 1.0F);
  std::ranges::fill(input.beta, 0.0F);
  const Forward forward(input);
  Floats padded(5 * 32, -7.0F);
  Floats y(5 * 40, -7.0F);
  for (std::int64_t r = 0; r < 5; ++r) {
    std::copy_n(input.x.begin() + r * 21, 21, padded.begin() + r * 32);
  }
  layer_normalise({padded.data(), 32, 5, 21, y.data(), 40});
  for (std::int64_t r = 0; r < 5; ++r) {
    EXPECT_TRUE(
        same_bits(std::span(y).subspan(r * 40, 21), std::span(forward.y).subspan(r * 21, 21)));
    EXPECT_EQ(y[r * 40 + 21], -7.0F);
  }
}

JETCAL_TEST_VARIANTS(LayerNormTest);

}  // namespace
}  // namespace jetcal::kernels
