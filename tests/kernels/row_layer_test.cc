// SPDX-License-Identifier: Apache-2.0
#include "jetcal/kernels/row_layer.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "tests/kernels/kernel_case.h"
#include "tests/kernels/random_layer.h"

namespace jetcal::kernels {
namespace {

// The layer's result in double, and what float sums of any order may be off by.
void define(const RandomLayer& layer, const Floats& x, std::int64_t row, std::int64_t c,
            double& value, double& bound) {
  value = layer.bias[c];
  double size = std::abs(value);
  for (std::int64_t k = 0; k < layer.in; ++k) {
    const double term = static_cast<double>(x[row * layer.in + k]) * layer.weight[c * layer.in + k];
    value += term;
    size += std::abs(term);
  }
  bound = static_cast<double>(layer.in + 2) * kRoundoff * size;
}

Floats forward(const RandomLayer& layer, const Floats& x, std::int64_t rows,
               Activation activation) {
  const RowLayer packed(layer.view());
  AlignedRows<float> y(static_cast<std::size_t>(rows * packed.length()), -7.0F);
  row_layer_forward(packed, rows, x.data(), layer.in, y.data(), packed.length(), activation);
  return {y.begin(), y.end()};
}

// Sums of relu over segments, row_length(out) apart; rows are handed over `step` at a time.
Floats sum(const RandomLayer& layer, const Floats& x, const std::vector<std::int32_t>& segments,
           std::int64_t step) {
  const RowLayer packed(layer.view());
  const auto rows = static_cast<std::int64_t>(segments.size());
  Floats y(static_cast<std::size_t>((segments.back() + 1) * packed.length()), 0.0F);
  for (std::int64_t row = 0; row < rows; row += step) {
    row_layer_sum(packed, std::min(step, rows - row), x.data() + row * layer.in, layer.in,
                  segments.data() + row, y.data(), packed.length());
  }
  return y;
}

class RowLayerTest : public KernelTest {};

TEST_P(RowLayerTest, MatchesTheDefinitionAtEveryTail) {
  const ScopedIsa forced(GetParam());
  for (const std::int64_t out : {1, 7, 8, 9, 16, 17, 24, 25, 31, 32, 33, 40, 49, 50, 65, 100}) {
    for (const std::int64_t in : {1, 6, 50}) {
      const RandomLayer layer(in, out);
      for (const std::int64_t rows : {0, 1, 2, 3, 4, 5, 6, 7, 11, 12, 13, 47, 48, 49, 100}) {
        const Floats x = random_floats(rows * in, 3);
        for (const Activation activation : {Activation::None, Activation::Relu}) {
          const Floats y = forward(layer, x, rows, activation);
          const std::int64_t length = row_length(out);
          for (std::int64_t i = 0; i < rows * out; ++i) {
            double value = 0;
            double bound = 0;
            define(layer, x, i / out, i % out, value, bound);
            if (activation == Activation::Relu) value = std::max(value, 0.0);
            ASSERT_NEAR(y[i / out * length + i % out], value, bound)
                << rows << " rows, " << in << " in, " << out << " out, element " << i;
          }
        }
      }
    }
  }
}

TEST_P(RowLayerTest, WritesThePadding) {
  const ScopedIsa forced(GetParam());
  const RandomLayer layer(3, 9);
  const std::int64_t length = row_length(9);
  const Floats y = forward(layer, random_floats(6, 4), 2, Activation::None);
  for (std::int64_t c = 9; c < length; ++c) EXPECT_EQ(y[length + c], 0) << c;
}

TEST_P(RowLayerTest, GivesARowTheSameBitsAmongAnyOthers) {
  const ScopedIsa forced(GetParam());
  for (const std::int64_t out : {1, 9, 16, 24, 33, 100}) {
    const RandomLayer layer(50, out);
    const Floats x = random_floats(61 * 50, 5);
    const Floats all = forward(layer, x, 61, Activation::Relu);
    const std::int64_t length = row_length(out);
    for (std::int64_t row = 0; row < 61; ++row) {
      const Floats one = forward(layer, Floats(x.begin() + row * 50, x.end()), 1, Activation::Relu);
      EXPECT_TRUE(same_bits(one, std::span(all).subspan(row * length, length))) << out;
    }
  }
}

TEST_P(RowLayerTest, SumsMatchTheDefinition) {
  const ScopedIsa forced(GetParam());
  std::vector<std::int32_t> segments;
  for (const int count : {1, 5, 16, 2, 40, 3}) {
    segments.insert(segments.end(), count, segments.empty() ? 0 : segments.back() + 1);
  }
  for (const std::int64_t out : {1, 8, 17, 33, 50, 100}) {
    const RandomLayer layer(20, out);
    const Floats x = random_floats(std::ssize(segments) * 20, 6);
    const Floats y = sum(layer, x, segments, 1000);
    Floats want(y.size());
    std::vector<double> bounds(y.size());
    for (std::int64_t c = 0; c < out; ++c) {
      std::vector<double> totals(segments.back() + 1);
      for (std::size_t row = 0; row < segments.size(); ++row) {
        double value = 0;
        double bound = 0;
        define(layer, x, static_cast<std::int64_t>(row), c, value, bound);
        totals[segments[row]] += std::max(value, 0.0);
        // Every later addition rounds what came before, at most 40 times.
        bounds[segments[row] * row_length(out) + c] += bound + 41 * kRoundoff * std::abs(value);
      }
      for (std::size_t s = 0; s < totals.size(); ++s) {
        want[s * row_length(out) + c] = static_cast<float>(totals[s]);
        bounds[s * row_length(out) + c] += kRoundoff * totals[s];
      }
    }
    for (std::size_t s = 0; s <= static_cast<std::size_t>(segments.back()); ++s) {
      const auto row = static_cast<std::int64_t>(s) * row_length(out);
      expect_near(std::span(y).subspan(row, out), std::span(want).subspan(row, out),
                  std::span(bounds).subspan(row, out), std::to_string(out) + " out");
    }
  }
}

TEST_P(RowLayerTest, SumsHaveTheSameBitsHoweverTheRowsAreCut) {
  const ScopedIsa forced(GetParam());
  std::vector<std::int32_t> segments;
  for (const int count : {16, 16, 7, 1, 30}) {
    segments.insert(segments.end(), count, segments.empty() ? 0 : segments.back() + 1);
  }
  const RandomLayer layer(50, 50);
  const Floats x = random_floats(std::ssize(segments) * 50, 7);
  const Floats whole = sum(layer, x, segments, 1000);
  for (const std::int64_t step : {1, 2, 3, 5, 48}) {
    EXPECT_TRUE(same_bits(sum(layer, x, segments, step), whole)) << step;
  }
}

TEST_P(RowLayerTest, JoinedPartsEqualTheirOwn) {
  const ScopedIsa forced(GetParam());
  const RandomLayer first(10, 33);
  RandomLayer second(10, 9);
  std::ranges::reverse(second.weight);
  const RowLayer joined(std::vector<LinearWeights>{first.view(), second.view()});
  const Floats x = random_floats(70, 8);
  AlignedRows<float> y(static_cast<std::size_t>(7 * joined.length()));
  row_layer_forward(joined, 7, x.data(), 10, y.data(), joined.length(), Activation::None);
  const Floats left = forward(first, x, 7, Activation::None);
  const Floats right = forward(second, x, 7, Activation::None);
  for (std::int64_t row = 0; row < 7; ++row) {
    const std::span<const float> both = std::span(y).subspan(row * joined.length());
    EXPECT_TRUE(same_bits(both.first(33), std::span(left).subspan(row * row_length(33), 33)));
    EXPECT_TRUE(same_bits(both.subspan(row_length(33), 9),
                          std::span(right).subspan(row * row_length(9), 9)));
  }
}

TEST_P(RowLayerTest, KeepsNotANumber) {
  const ScopedIsa forced(GetParam());
  const RandomLayer layer(4, 5);
  Floats x = random_floats(8, 9);
  x[5] = NAN;
  const Floats y = forward(layer, x, 2, Activation::Relu);
  EXPECT_FALSE(std::isnan(y[0]));
  EXPECT_TRUE(std::isnan(y[row_length(5)]));
}

JETCAL_TEST_VARIANTS(RowLayerTest);

}  // namespace
}  // namespace jetcal::kernels
