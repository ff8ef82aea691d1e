// SPDX-License-Identifier: Apache-2.0
#include "jetcal/kernels/quantised_layer.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <limits>

#include "tests/kernels/kernel_case.h"
#include "tests/kernels/quantised_error.h"
#include "tests/kernels/random_layer.h"

namespace jetcal::kernels {
namespace {

// Rows of row_length(channels) with zeros behind.
AlignedRows<float> padded(const Floats& x, std::int64_t channels) {
  const std::int64_t rows = std::ssize(x) / channels;
  AlignedRows<float> result(static_cast<std::size_t>(rows * row_length(channels)), 0.0F);
  for (std::int64_t i = 0; i < rows; ++i) {
    std::copy_n(x.begin() + i * channels, channels, result.begin() + i * row_length(channels));
  }
  return result;
}

Floats forward(Precision precision, const RandomLayer& layer, const Floats& x, std::int64_t rows,
               Activation activation) {
  const QuantisedLayer packed(layer.view(), precision);
  QuantisedRows levels;
  quantise_rows(precision, rows, layer.in, padded(x, layer.in).data(), row_length(layer.in),
                levels);
  AlignedRows<float> y(static_cast<std::size_t>(rows * packed.length()), -7.0F);
  row_layer_forward(packed, rows, levels, y.data(), packed.length(), activation);
  Floats result;
  for (std::int64_t i = 0; i < rows; ++i) {
    result.insert(result.end(), y.begin() + i * packed.length(),
                  y.begin() + i * packed.length() + layer.out);
  }
  return result;
}

// Runs every test once per variant and precision that this CPU has.
class QuantisedLayerTest : public KernelTest {
 protected:
  static std::vector<Precision> precisions() {
    std::vector<Precision> all = supported_precisions();
    std::erase(all, Precision::Float32);
    return all;
  }
};

TEST_P(QuantisedLayerTest, IsNoFurtherFromTheExactLayerThanItsLevelsAllow) {
  const ScopedIsa forced(GetParam());
  for (const Precision precision : precisions()) {
    for (const std::int64_t out : {1, 7, 8, 9, 16, 17, 24, 33, 50, 65, 100}) {
      for (const std::int64_t in : {1, 2, 7, 8, 9, 50, 100}) {
        const RandomLayer layer(in, out);
        for (const std::int64_t rows : {1, 2, 5, 6, 7, 13, 48, 50}) {
          const Floats x = random_floats(rows * in, 3);
          const Floats y = forward(precision, layer, x, rows, Activation::None);
          for (std::int64_t i = 0; i < rows * out; ++i) {
            const std::int64_t c = i % out;
            const std::span<const float> own = std::span(x).subspan(i / out * in, in);
            const float bound = std::max(0.0F, *std::ranges::max_element(own));
            double value = layer.bias[c];
            double size = std::abs(value);
            for (std::int64_t k = 0; k < in; ++k) {
              const double term = static_cast<double>(std::max(own[k], 0.0F)) * layer.row(c)[k];
              value += term;
              size += std::abs(term);
            }
            const double allowed = quantisation_error(precision, own, layer.row(c), bound) +
                                   static_cast<double>(in + 6) * kRoundoff * size;
            ASSERT_NEAR(y[i], value, allowed)
                << precision_name(precision) << ", " << rows << " rows, " << in << " in, " << out
                << " out, element " << i;
          }
        }
      }
    }
  }
}

TEST_P(QuantisedLayerTest, MatchesTheReferenceVariant) {
  for (const Precision precision : run_on(GetParam(), precisions)) {
    for (const std::int64_t out : {3, 8, 25, 100}) {
      const RandomLayer layer(50, out);
      const Floats x = random_floats(49 * 50, 4);
      const auto run = [&] { return forward(precision, layer, x, 49, Activation::Relu); };
      const Floats want = run_on(Isa::Ref, run);
      // Integers add up exactly, which leaves the rounding of the end; bfloat16 also rounds sums of
      // 50 products, whose size is below 50 times a row's size.
      const double sum = precision == Precision::Bfloat16 ? 54 * 50 : 4 * 50;
      expect_near(run_on(GetParam(), run), want,
                  std::vector<double>(want.size(), sum * kRoundoff * 6),
                  std::string(precision_name(precision)));
    }
  }
}

TEST_P(QuantisedLayerTest, NeverOverflows) {
  const ScopedIsa forced(GetParam());
  for (const Precision precision : precisions()) {
    for (const std::int64_t in : {1, 2, 4, 8, 100, 3000}) {
      for (const float weight : {1.0F, -1.0F, 1e-20F}) {
        RandomLayer layer(in, 9);
        std::ranges::fill(layer.weight, weight);
        std::ranges::fill(layer.bias, 0.0F);
        const Floats y = forward(precision, layer, Floats(in, 5.0F), 1, Activation::None);
        const double want = 5.0 * weight * static_cast<double>(in);
        const double allowed = quantisation_error(precision, Floats(in, 5.0F), layer.row(0), 5.0) +
                               static_cast<double>(in + 6) * kRoundoff * std::abs(want);
        for (const float value : y) EXPECT_NEAR(value, want, allowed) << in << " times " << weight;
      }
    }
  }
}

TEST_P(QuantisedLayerTest, GivesARowTheSameBitsAmongAnyOthers) {
  const ScopedIsa forced(GetParam());
  for (const Precision precision : precisions()) {
    for (const std::int64_t out : {9, 16, 24, 100}) {
      const RandomLayer layer(50, out);
      const Floats x = random_floats(53 * 50, 5);
      const Floats all = forward(precision, layer, x, 53, Activation::Relu);
      for (std::int64_t row = 0; row < 53; ++row) {
        const Floats own(x.begin() + row * 50, x.begin() + (row + 1) * 50);
        EXPECT_TRUE(same_bits(forward(precision, layer, own, 1, Activation::Relu),
                              std::span(all).subspan(row * out, out)));
      }
    }
  }
}

TEST_P(QuantisedLayerTest, SumsEqualTheSumOfItsRows) {
  const ScopedIsa forced(GetParam());
  for (const Precision precision : precisions()) {
    const RandomLayer layer(30, 33);
    const Floats x = random_floats(23 * 30, 6);
    std::vector<std::int32_t> segments(23, 0);
    std::fill(segments.begin() + 7, segments.end(), 2);
    const QuantisedLayer packed(layer.view(), precision);
    QuantisedRows levels;
    quantise_rows(precision, 23, 30, padded(x, 30).data(), row_length(30), levels);
    Floats sums(static_cast<std::size_t>(3 * packed.length()), 0.0F);
    row_layer_sum(packed, 23, levels, segments.data(), sums.data(), packed.length());
    const Floats rows = forward(precision, layer, x, 23, Activation::Relu);
    Floats want(3 * 33, 0.0F);  // in the same order: the same bits
    for (std::int64_t i = 0; i < 23 * 33; ++i) want[segments[i / 33] * 33 + i % 33] += rows[i];
    for (std::int64_t s = 0; s < 3; ++s) {
      EXPECT_TRUE(same_bits(std::span(sums).subspan(s * packed.length(), 33),
                            std::span(want).subspan(s * 33, 33)))
          << precision_name(precision) << ", segment " << s;
    }
  }
}

TEST_P(QuantisedLayerTest, ZeroTinyAndHugeRowsStayFinite) {
  const ScopedIsa forced(GetParam());
  for (const Precision precision : precisions()) {
    const RandomLayer layer(9, 5);
    for (const float size : {0.0F, 1e-42F, 1e-31F, 1e30F}) {
      const Floats y = forward(precision, layer, Floats(9, size), 1, Activation::None);
      for (int c = 0; c < 5; ++c) {
        EXPECT_TRUE(std::isfinite(y[c])) << size;
        const float most = 100 * size;  // of nine weights drawn from a normal distribution
        EXPECT_NEAR(y[c], layer.bias[c], most + 1e-6) << size;
      }
    }
  }
}

TEST_P(QuantisedLayerTest, KeepsNotANumber) {
  const ScopedIsa forced(GetParam());
  for (const Precision precision : precisions()) {
    RandomLayer layer(9, 5);
    Floats x = random_floats(18, 7);
    for (const float nan :
         {std::numeric_limits<float>::quiet_NaN(), -std::numeric_limits<float>::quiet_NaN()}) {
      x[12] = nan;
      const Floats y = forward(precision, layer, x, 2, Activation::None);
      EXPECT_FALSE(std::isnan(y[0])) << precision_name(precision);
      EXPECT_TRUE(std::isnan(y[5])) << precision_name(precision);
    }
    layer.weight[10] = NAN;  // of output 1
    const Floats y = forward(precision, layer, Floats(9, 1.0F), 1, Activation::None);
    EXPECT_FALSE(std::isnan(y[0])) << precision_name(precision);
    EXPECT_TRUE(std::isnan(y[1])) << precision_name(precision);
  }
}

JETCAL_TEST_ALL_VARIANTS(QuantisedLayerTest);

}  // namespace
}  // namespace jetcal::kernels
