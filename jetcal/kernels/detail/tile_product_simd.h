// SPDX-License-Identifier: Apache-2.0
// Products of tiles that lie in cache, for kernels that fuse several layers: no checks, no work
// space, whole vectors only.
#pragma once

#include <cstdint>

#include "jetcal/kernels/detail/gemm_kernels.h"
#include "jetcal/kernels/detail/simd.h"

namespace jetcal::kernels::detail {
namespace {

inline constexpr int kTileVectors = 2;

// Accumulators, kVectors vectors of b and one broadcast of a fill the 16 or 32 registers.
template <int kVectors>
inline constexpr int kTileRows = (kLanes == 8 ? 12 : 24) / kVectors;

/// Adds a b to sum, a chain of fma over ascending k for every element; kAlongRows tells that the
/// next k of a lies beside this one, else it lies `a_step` on and the next row beside this one.
/// `b_step` floats part one k of b from the next.
template <int kRows, int kVectors, bool kAlongRows>
inline void accumulate(const float* a, std::int64_t a_step, const float* b, std::int64_t b_step,
                       std::int64_t k, Lanes (&sum)[kRows][kVectors]) {
#pragma GCC unroll 4
  for (std::int64_t p = 0; p < k; ++p) {
    Lanes right[kVectors];
#pragma GCC unroll 2
    for (int v = 0; v < kVectors; ++v) right[v] = load(b + v * kLanes);
#pragma GCC unroll 24
    for (int i = 0; i < kRows; ++i) {
      const Lanes left = broadcast(kAlongRows ? a[i * a_step] : a[i]);
#pragma GCC unroll 2
      for (int v = 0; v < kVectors; ++v) sum[i][v] = fma(left, right[v], sum[i][v]);
    }
    a += kAlongRows ? 1 : a_step;
    b += b_step;
  }
}

// Fetches the rows that a tile reads or writes once its sums are done.
template <int kRows, int kWrite = 0>
inline void fetch_tile(const float* first, std::int64_t distance) {
#pragma GCC unroll 24
  for (int i = 0; i < kRows; ++i) __builtin_prefetch(first + i * distance, kWrite);
}

/// Names a tile's size.
template <int kRowCount, int kVectorCount>
struct TileSize {
  static constexpr int kRows = kRowCount;
  static constexpr int kVectors = kVectorCount;
};

template <int kRows, int kVectors, typename Tile>
void cover_last_rows(std::int64_t row, std::int64_t end, std::int64_t column, Tile& tile) {
  if constexpr (kRows > 0) {
    if (end - row == kRows) {
      tile(TileSize<kRows, kVectors>{}, row, column);
    } else {
      cover_last_rows<kRows - 1, kVectors>(row, end, column, tile);
    }
  }
}

template <int kVectors, typename Tile>
void cover_panel(std::int64_t row, std::int64_t end, std::int64_t column, Tile& tile) {
  constexpr int kRows = kTileRows<kVectors>;
  for (; row + kRows <= end; row += kRows) tile(TileSize<kRows, kVectors>{}, row, column);
  cover_last_rows<kRows - 1, kVectors>(row, end, column, tile);
}

/// Calls tile(TileSize, row, column) for tiles that cover the rows [begin, end) and `columns`
/// columns, panel by panel; the last panel is one vector wide where that is enough.
template <typename Tile>
void cover(std::int64_t begin, std::int64_t end, std::int64_t columns, Tile tile) {
  std::int64_t column = 0;
  for (; column + kLanes < columns; column += kTileVectors * kLanes) {
    cover_panel<kTileVectors>(begin, end, column, tile);
  }
  if (column < columns) cover_panel<1>(begin, end, column, tile);
}

template <int kRows, int kVectors>
void multiply_tile(const TileProduct& product, std::int64_t row, std::int64_t column) {
  const std::int64_t place = row * product.ldc + column;
  if (product.gate != nullptr) fetch_tile<kRows>(product.gate + place, product.ldc);
  Lanes sum[kRows][kVectors];
#pragma GCC unroll 2
  for (int v = 0; v < kVectors; ++v) {
    const float* bias = product.bias == nullptr ? nullptr : product.bias + column + v * kLanes;
    const Lanes start = bias == nullptr ? zero() : load(bias);
#pragma GCC unroll 24
    for (int i = 0; i < kRows; ++i) sum[i][v] = start;
  }
  accumulate<kRows, kVectors, true>(product.a + row * product.lda, product.lda,
                                    product.packed_b + column * product.k, kVectors * kLanes,
                                    product.k, sum);
  if (product.relu) {
#pragma GCC unroll 24
    for (int i = 0; i < kRows; ++i) {
#pragma GCC unroll 2
      for (int v = 0; v < kVectors; ++v) sum[i][v] = relu(sum[i][v]);
    }
  }
  if (product.gate != nullptr) {
#pragma GCC unroll 24
    for (int i = 0; i < kRows; ++i) {
#pragma GCC unroll 2
      for (int v = 0; v < kVectors; ++v) {
        const Lanes gate = load(product.gate + place + i * product.ldc + v * kLanes);
        sum[i][v] = relu_gradient(gate, sum[i][v]);
      }
    }
  }
#pragma GCC unroll 24
  for (int i = 0; i < kRows; ++i) {
#pragma GCC unroll 2
    for (int v = 0; v < kVectors; ++v) {
      store(product.c + place + i * product.ldc + v * kLanes, sum[i][v]);
    }
  }
}

/// Computes a TileProduct. An element has the same bits whatever the number of rows, and wherever
/// it lies.
inline void multiply(const TileProduct& product) {
  cover(0, product.rows, product.n, [&](auto size, std::int64_t row, std::int64_t column) {
    multiply_tile<size.kRows, size.kVectors>(product, row, column);
  });
}

template <int kRows, int kVectors>
void add_gradient_tile(const TileGradient& gradient, std::int64_t row, std::int64_t column) {
  float* c = gradient.c + row * gradient.ldc + column;
  fetch_tile<kRows>(c, gradient.ldc);
  Lanes sum[kRows][kVectors];
#pragma GCC unroll 24
  for (int i = 0; i < kRows; ++i) {
#pragma GCC unroll 2
    for (int v = 0; v < kVectors; ++v) sum[i][v] = zero();
  }
  accumulate<kRows, kVectors, false>(gradient.a + row, gradient.lda, gradient.b + column,
                                     gradient.ldb, gradient.rows, sum);
#pragma GCC unroll 24
  for (int i = 0; i < kRows; ++i) {
#pragma GCC unroll 2
    for (int v = 0; v < kVectors; ++v) {
      float* place = c + i * gradient.ldc + v * kLanes;
      store(place, add(load(place), sum[i][v]));
    }
  }
}

/// Adds a TileGradient; up to 128 rows are one chain, added to c once.
inline void add_gradient(const TileGradient& gradient) {
  constexpr std::int64_t kLongest = 128;  // a panel of a and one of b then fit the nearest cache
  const std::int64_t blocks = (gradient.rows + kLongest - 1) / kLongest;
  const std::int64_t step = blocks > 0 ? (gradient.rows + blocks - 1) / blocks : 1;
  TileGradient part = gradient;
  for (std::int64_t row = 0; row < gradient.rows; row += step) {
    part.rows = gradient.rows - row < step ? gradient.rows - row : step;
    part.a = gradient.a + row * gradient.lda;
    part.b = gradient.b + row * gradient.ldb;
    cover(0, part.m, part.n, [&](auto size, std::int64_t first, std::int64_t column) {
      add_gradient_tile<size.kRows, size.kVectors>(part, first, column);
    });
  }
}

}  // namespace
}  // namespace jetcal::kernels::detail
