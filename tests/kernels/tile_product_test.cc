// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include "jetcal/kernels/detail/packed_product.h"
#include "tests/kernels/kernel_case.h"

namespace jetcal::kernels {
namespace {

constexpr float kUntouched = -7.0F;

struct Tile {
  std::int64_t rows, n, k;
  std::string name() const {
    return "rows n k " + std::to_string(rows) + " " + std::to_string(n) + " " + std::to_string(k);
  }
};

std::int64_t padded(const detail::GemmKernels& kernels, std::int64_t n) {
  return (n + kernels.vector_columns - 1) / kernels.vector_columns * kernels.vector_columns;
}

struct Epilogue {
  bool bias, relu, gate;
};

class TileProductTest : public KernelTest {
 protected:
  // Rows lie three vectors of 16 further apart than the widest variant needs.
  static std::int64_t distance(std::int64_t columns) { return (columns + 15) / 16 * 16 + 48; }

  // Multiplies with this variant; what lies beyond column n is left as it came.
  Floats product(const Tile& tile, const Epilogue& epilogue, const Floats& a, const Floats& b,
                 const Floats& bias, const Floats& gate) {
    const detail::GemmKernels& kernels = detail::gemm_kernels(GetParam());
    Floats packed(static_cast<std::size_t>(detail::packed_size(kernels, tile.k, tile.n)));
    detail::pack_tile_b(kernels, /*transpose=*/true, tile.k, tile.n, b.data(), tile.k,
                        packed.data());
    Floats c(static_cast<std::size_t>(tile.rows * distance(tile.n)), kUntouched);
    kernels.tile_product({tile.rows, tile.n, tile.k, a.data(), tile.k + 3, packed.data(), c.data(),
                          distance(tile.n), epilogue.bias ? bias.data() : nullptr,
                          epilogue.gate ? gate.data() : nullptr, epilogue.relu});
    return c;
  }
};

TEST_P(TileProductTest, MatchesDoubleSumsAtEveryTail) {
  for (const std::int64_t rows : {1, 5, 6, 7, 11, 12, 13, 23, 24, 25, 97}) {
    for (const std::int64_t n : {1, 7, 8, 9, 10, 11, 15, 16, 17, 31, 32, 33, 50, 100}) {
      for (const std::int64_t k : {1, 3, 50, 300}) {
        for (const Epilogue epilogue : {Epilogue{false, false, false}, Epilogue{true, true, false},
                                        Epilogue{false, false, true}}) {
          const Tile tile{rows, n, k};
          const std::int64_t ldc = distance(n);
          const Floats a = random_floats(rows * (k + 3), 1);
          const Floats b = random_floats(n * k, 2);
          const Floats bias = random_floats(ldc, 3);
          const Floats gate = random_floats(rows * ldc, 4);
          const Floats c = product(tile, epilogue, a, b, bias, gate);
          const std::int64_t written = padded(detail::gemm_kernels(GetParam()), n);
          for (std::int64_t i = 0; i < rows; ++i) {
            for (std::int64_t j = 0; j < n; ++j) {
              double sum = epilogue.bias ? bias[j] : 0;
              double size = std::abs(sum);
              for (std::int64_t p = 0; p < k; ++p) {
                const double term = static_cast<double>(a[i * (k + 3) + p]) * b[j * k + p];
                sum += term;
                size += std::abs(term);
              }
              if (epilogue.relu && sum < 0) sum = 0;
              if (epilogue.gate && gate[i * ldc + j] <= 0) sum = 0;
              ASSERT_NEAR(c[i * ldc + j], sum, static_cast<double>(k + 1) * kRoundoff * size)
                  << tile.name() << " at " << i << " " << j;
            }
            for (std::int64_t j = written; j < ldc; ++j) {
              ASSERT_EQ(c[i * ldc + j], kUntouched) << tile.name() << " at " << i << " " << j;
            }
          }
        }
      }
    }
  }
}

TEST_P(TileProductTest, RowHasTheSameBitsInAnyTile) {
  const Tile all{61, 33, 70};
  const Floats a = random_floats(all.rows * (all.k + 3), 1);
  const Floats b = random_floats(all.n * all.k, 2);
  const Floats bias = random_floats(distance(all.n), 3);
  const Floats whole = product(all, {true, true, false}, a, b, bias, {});
  for (std::int64_t rows = 1; rows <= 26; ++rows) {
    const Floats rest(a.begin() + rows * (all.k + 3), a.end());
    const Floats some = product({rows, all.n, all.k}, {true, true, false}, rest, b, bias, {});
    for (std::int64_t i = 0; i < rows; ++i) {
      const std::int64_t ldc = distance(all.n);
      EXPECT_TRUE(same_bits(std::span(some).subspan(i * ldc, all.n),
                            std::span(whole).subspan((rows + i) * ldc, all.n)))
          << "row " << i << " of " << rows;
    }
  }
}

TEST_P(TileProductTest, GradientAddsDoubleSumsAtEveryTail) {
  const detail::GemmKernels& kernels = detail::gemm_kernels(GetParam());
  for (const std::int64_t rows : {0, 1, 3, 64, 128, 129, 300}) {
    for (const std::int64_t m : {1, 5, 6, 7, 12, 13, 24, 50, 100}) {
      for (const std::int64_t n : {1, 4, 8, 9, 10, 11, 12, 13, 16, 17, 33, 50}) {
        const std::int64_t ldb = distance(n);
        const Floats a = random_floats(rows * (m + 3), 1);
        const Floats b = random_floats(rows * ldb, 2);
        const Floats before = random_floats(m * ldb, 3);
        Floats c = before;
        kernels.tile_gradient({rows, m, n, a.data(), m + 3, b.data(), ldb, c.data(), ldb});
        for (std::int64_t i = 0; i < m; ++i) {
          for (std::int64_t j = 0; j < n; ++j) {
            double sum = before[i * ldb + j];
            double size = std::abs(sum);
            for (std::int64_t r = 0; r < rows; ++r) {
              const double term = static_cast<double>(a[r * (m + 3) + i]) * b[r * ldb + j];
              sum += term;
              size += std::abs(term);
            }
            ASSERT_NEAR(c[i * ldb + j], sum, static_cast<double>(rows + 3) * kRoundoff * size)
                << rows << " rows, m n " << m << " " << n << " at " << i << " " << j;
          }
          for (std::int64_t j = padded(kernels, n); j < ldb; ++j) {
            ASSERT_EQ(c[i * ldb + j], before[i * ldb + j]) << "at " << i << " " << j;
          }
        }
      }
    }
  }
}

JETCAL_TEST_VARIANTS(TileProductTest);

}  // namespace
}  // namespace jetcal::kernels
