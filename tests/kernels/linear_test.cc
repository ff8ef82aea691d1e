// SPDX-License-Identifier: Apache-2.0
#include "jetcal/kernels/linear.h"

#include <gtest/gtest.h>

#include "tests/kernels/kernel_case.h"

namespace jetcal::kernels {
namespace {

struct Layer {
  std::int64_t rows, in, out;
  Floats x, weight, bias, grad_y;

  Layer(std::int64_t num_rows, std::int64_t num_in, std::int64_t num_out)
      : rows(num_rows),
        in(num_in),
        out(num_out),
        x(random_floats(rows * in, 1)),
        weight(random_floats(out * in, 2)),
        bias(random_floats(out, 3)),
        grad_y(random_floats(rows * out, 4)) {}

  Floats forward(Activation activation = Activation::None) const {
    Floats y(static_cast<std::size_t>(rows * out), -7.0F);
    linear_forward(x, weight, bias, in, out, y, activation);
    return y;
  }
  Floats input_gradient() const {
    Floats grad_x(x.size(), -7.0F);
    linear_backward_input(grad_y, weight, in, out, grad_x);
    return grad_x;
  }
  // Weight gradient, then bias gradient.
  Floats weight_gradient() const {
    Floats grads(weight.size() + bias.size(), -7.0F);
    const std::span<float> all(grads);
    linear_backward_weights(x, grad_y, in, out, all.first(weight.size()),
                            all.subspan(weight.size()));
    return grads;
  }
  std::string name() const {
    return std::to_string(rows) + " rows, " + std::to_string(in) + " to " + std::to_string(out);
  }
};

// Bounds the error of sums of `length` products, for values of the standard normal distribution:
// |a b| is below 25 all but surely.
std::vector<double> sum_bounds(std::size_t size, std::int64_t length) {
  const auto n = static_cast<double>(length);
  return std::vector<double>(size, (n + 8) * kRoundoff * 2 * (n + 25));
}

class LinearTest : public KernelTest {};

TEST_P(LinearTest, MatchesReferenceAtEveryTail) {
  for (const std::int64_t rows : {0, 1, 5, 6, 7, 12, 13, 100}) {
    for (const std::int64_t in : {1, 6, 50, 300}) {
      for (const std::int64_t out : {1, 8, 9, 16, 17, 50}) {
        const Layer layer(rows, in, out);
        for (const Activation activation : {Activation::None, Activation::Relu}) {
          const auto forward = [&] { return layer.forward(activation); };
          expect_near(run_on(GetParam(), forward), run_on(Isa::Ref, forward),
                      sum_bounds(rows * out, in), "y, " + layer.name());
        }
        const auto input = [&] { return layer.input_gradient(); };
        expect_near(run_on(GetParam(), input), run_on(Isa::Ref, input), sum_bounds(rows * in, out),
                    "grad_x, " + layer.name());
        const auto weights = [&] { return layer.weight_gradient(); };
        expect_near(run_on(GetParam(), weights), run_on(Isa::Ref, weights),
                    sum_bounds(out * in + out, rows), "grad_weight, " + layer.name());
      }
    }
  }
}

TEST_P(LinearTest, MatchesReferenceOverManyBlocksOfRows) {
  const Layer layer(20000, 9, 10);
  const auto weights = [&] { return layer.weight_gradient(); };
  expect_near(run_on(GetParam(), weights), run_on(Isa::Ref, weights), sum_bounds(100, 20000),
              layer.name());
}

TEST_P(LinearTest, RowHasTheSameBitsInAnyBatchAndPlace) {
  const ScopedIsa forced(GetParam());
  for (const auto& [in, out] : {std::pair{6, 50}, {50, 17}, {300, 33}, {700, 1}}) {
    const Layer batch(211, in, out);
    const Floats y = batch.forward(Activation::Relu);
    for (std::int64_t rows = 1; rows <= 26; ++rows) {
      const std::int64_t first = rows * 7;
      Floats some(static_cast<std::size_t>(rows * out));
      linear_forward(std::span(batch.x).subspan(first * in, rows * in), batch.weight, batch.bias,
                     in, out, some, Activation::Relu);
      EXPECT_TRUE(same_bits(some, std::span(y).subspan(first * out, rows * out)))
          << rows << " rows at " << first << ", " << in << " to " << out;
    }
  }
}

TEST_P(LinearTest, ThreadsChangeNoBit) {
  const ScopedIsa forced(GetParam());
  const bool slow = GetParam() == Isa::Ref;
  for (const Layer& layer : {Layer(slow ? 9000 : 50000, 13, 20), Layer(500, 130, 200)}) {
    const auto all = [&] {
      Floats bits = layer.forward();
      for (const Floats& more : {layer.input_gradient(), layer.weight_gradient()}) {
        bits.insert(bits.end(), more.begin(), more.end());
      }
      return bits;
    };
    const Floats one = run_with_threads(1, all);
    EXPECT_TRUE(same_bits(one, run_with_threads(1, all))) << layer.name();
    EXPECT_TRUE(same_bits(one, run_with_threads(2, all))) << layer.name();
    EXPECT_TRUE(same_bits(one, run_with_threads(5, all))) << layer.name();
  }
}

// The loss sum(y * grad_y) is linear in x, weight and bias each, so a step of 1 is exact but for
// rounding.
TEST_P(LinearTest, GradientsMatchCentralDifferences) {
  Layer layer(9, 7, 5);
  const Floats grad_x = run_on(GetParam(), [&] { return layer.input_gradient(); });
  const Floats grad_weight = run_on(GetParam(), [&] { return layer.weight_gradient(); });
  const ScopedIsa forced(Isa::Ref);
  const auto loss = [&] {
    const Floats y = layer.forward();
    double sum = 0;
    for (std::size_t i = 0; i < y.size(); ++i) sum += static_cast<double>(y[i]) * layer.grad_y[i];
    return sum;
  };
  const auto slope = [&](float& value) {
    const float before = value;
    value = before + 1;
    const double above = loss();
    value = before - 1;
    const double below = loss();
    value = before;
    return (above - below) / 2;
  };
  constexpr double kBound = 1e-4;  // 45 outputs of size 10, each rounded to 6e-8 of its size
  for (std::size_t i = 0; i < layer.x.size(); ++i) {
    EXPECT_NEAR(grad_x[i], slope(layer.x[i]), kBound);
  }
  for (std::size_t i = 0; i < layer.weight.size(); ++i) {
    EXPECT_NEAR(grad_weight[i], slope(layer.weight[i]), kBound);
  }
  for (std::size_t i = 0; i < layer.bias.size(); ++i) {
    EXPECT_NEAR(grad_weight[layer.weight.size() + i], slope(layer.bias[i]), kBound);
  }
}

TEST_P(LinearTest, NoRowsGiveZeroGradients) {
  const ScopedIsa forced(GetParam());
  EXPECT_EQ(Layer(0, 3, 4).weight_gradient(), Floats(3 * 4 + 4, 0.0F));
}

JETCAL_TEST_VARIANTS(LinearTest);

}  // namespace
}  // namespace jetcal::kernels
