// SPDX-License-Identifier: Apache-2.0
#include "jetcal/kernels/gemm.h"

#include <gtest/gtest.h>

#include <limits>

#include "tests/kernels/kernel_case.h"

namespace jetcal::kernels {
namespace {

struct Shape {
  std::int64_t m, n, k;
};

struct Product {
  Shape shape;
  bool transpose_a = false, transpose_b = false;
  float alpha = 1, beta = 0;
  std::int64_t gap = 3;  // rows lie further apart than they are long

  std::int64_t lda() const { return (transpose_a ? shape.m : shape.k) + gap; }
  std::int64_t ldb() const { return (transpose_b ? shape.k : shape.n) + gap; }
  std::int64_t ldc() const { return shape.n + gap; }
};

struct Result {
  Floats c;
  Floats exact;  // double sums, rounded once
  std::vector<double> bound;
};

// Multiplies random matrices with the kernel and plainly in double.
Result multiply(const Product& product, std::uint64_t seed) {
  const auto [m, n, k] = product.shape;
  const Floats a = random_floats((product.transpose_a ? k : m) * product.lda(), seed);
  const Floats b = random_floats((product.transpose_b ? n : k) * product.ldb(), seed + 1);
  Result result;
  result.c = random_floats(m * product.ldc(), seed + 2);
  result.exact = result.c;
  result.bound.assign(result.c.size(), 0);
  for (std::int64_t i = 0; i < m; ++i) {
    for (std::int64_t j = 0; j < n; ++j) {
      const std::int64_t element = i * product.ldc() + j;
      double sum = 0;
      double size = 0;
      for (std::int64_t p = 0; p < k; ++p) {
        const double left = a[product.transpose_a ? p * product.lda() + i : i * product.lda() + p];
        const double right = b[product.transpose_b ? j * product.ldb() + p : p * product.ldb() + j];
        sum += left * right;
        size += std::abs(left * right);
      }
      const double old = static_cast<double>(product.beta) * result.c[element];
      result.exact[element] =
          static_cast<float>(product.alpha * sum + (product.beta != 0 ? old : 0));
      // k roundings in the chain, one per block of k, alpha, beta and the result.
      result.bound[element] = (static_cast<double>(k) * 1.1 + 6) * kRoundoff *
                              (std::abs(product.alpha) * size + std::abs(old));
    }
  }
  gemm(product.transpose_a, product.transpose_b, m, n, k, product.alpha, a.data(), product.lda(),
       b.data(), product.ldb(), product.beta, result.c.data(), product.ldc());
  return result;
}

class GemmTest : public KernelTest {};

TEST_P(GemmTest, MatchesDoubleSumsAtEveryTail) {
  const ScopedIsa forced(GetParam());
  for (const std::int64_t m : {1, 2, 5, 6, 7, 11, 12, 13, 25, 97}) {
    for (const std::int64_t n : {1, 7, 8, 9, 15, 16, 17, 31, 32, 33, 50}) {
      for (const std::int64_t k : {1, 2, 50}) {
        const Result result = multiply({{m, n, k}}, 1);
        expect_near(
            result.c, result.exact, result.bound,
            "m n k " + std::to_string(m) + " " + std::to_string(n) + " " + std::to_string(k));
      }
    }
  }
}

TEST_P(GemmTest, MatchesDoubleSumsForEveryTranspositionAndFactor) {
  const ScopedIsa forced(GetParam());
  for (const Shape shape : {Shape{13, 19, 5}, Shape{50, 50, 300}, Shape{6, 16, 257},
                            Shape{20, 1030, 9}, Shape{3, 4, 1000}}) {
    for (const bool transpose_a : {false, true}) {
      for (const bool transpose_b : {false, true}) {
        for (const float alpha : {1.0F, -0.5F}) {
          for (const float beta : {0.0F, 1.0F, 2.5F}) {
            const Result result = multiply({shape, transpose_a, transpose_b, alpha, beta}, 5);
            expect_near(result.c, result.exact, result.bound, "k " + std::to_string(shape.k));
          }
        }
      }
    }
  }
}

TEST_P(GemmTest, ScalesByBetaWhenThereIsNothingToSum) {
  const ScopedIsa forced(GetParam());
  Floats c(20, 3.0F);
  gemm(false, false, 4, 5, 0, 1, nullptr, 0, nullptr, 5, 0.5F, c.data(), 5);
  EXPECT_EQ(c, Floats(20, 1.5F));
  gemm(false, false, 4, 5, 0, 1, nullptr, 0, nullptr, 5, 0, c.data(), 5);
  EXPECT_EQ(c, Floats(20, 0.0F));
}

TEST_P(GemmTest, DoesNotReadCWithBetaZero) {
  const ScopedIsa forced(GetParam());
  const Floats a(6, 1.0F);
  const Floats b(6, 2.0F);
  Floats c(4, std::numeric_limits<float>::quiet_NaN());
  gemm(false, false, 2, 2, 3, 1, a.data(), 3, b.data(), 2, 0, c.data(), 2);
  EXPECT_EQ(c, Floats(4, 6.0F));
}

TEST_P(GemmTest, KeepsNanAndInfinityInTheirRowsAndColumns) {
  const ScopedIsa forced(GetParam());
  Floats a(7 * 3, 1.0F);
  Floats b(3 * 9, 1.0F);
  a[2 * 3] = std::numeric_limits<float>::quiet_NaN();
  b[4] = std::numeric_limits<float>::infinity();
  Floats c(7 * 9);
  gemm(false, false, 7, 9, 3, 1, a.data(), 3, b.data(), 9, 0, c.data(), 9);
  for (std::int64_t i = 0; i < 7; ++i) {
    for (std::int64_t j = 0; j < 9; ++j) {
      EXPECT_EQ(std::isnan(c[i * 9 + j]), i == 2);
      EXPECT_EQ(std::isinf(c[i * 9 + j]), i != 2 && j == 4);
    }
  }
}

TEST_P(GemmTest, RepeatsItsBits) {
  const ScopedIsa forced(GetParam());
  const Product product{{33, 50, 700}, true, false};
  EXPECT_TRUE(same_bits(multiply(product, 9).c, multiply(product, 9).c));
}

JETCAL_TEST_VARIANTS(GemmTest);

}  // namespace
}  // namespace jetcal::kernels
