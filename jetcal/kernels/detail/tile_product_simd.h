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

// Where less than two whole tiles remain, both halves are like long: a tile of a row or two would
// wait for the latency of its few chains.
template <int kVectors, typename Tile>
void cover_panel(std::int64_t row, std::int64_t end, std::int64_t column, Tile& tile) {
  constexpr int kRows = kTileRows<kVectors>;
  for (; row + 2 * kRows <= end; row += kRows) {
    tile(TileSize<kRows, kVectors>{}, row, column);
  }
  const std::int64_t half = end - row > kRows ? row + (end - row + 1) / 2 : row;
  cover_last_rows<kRows, kVectors>(row, half, column, tile);
  cover_last_rows<kRows, kVectors>(half, end, column, tile);
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

// Stores a tile's sums after relu and gate. Copies of the members spare reading them again after
// every store.
template <int kRows, int kVectors>
inline void write_tile(const TileProduct& product, std::int64_t row, std::int64_t column,
                       Lanes (&sum)[kRows][kVectors]) {
  const std::int64_t ldc = product.ldc;
  float* c = product.c + row * ldc + column;
  if (product.relu) {
#pragma GCC unroll 24
    for (int i = 0; i < kRows; ++i) {
#pragma GCC unroll 2
      for (int v = 0; v < kVectors; ++v) sum[i][v] = relu(sum[i][v]);
    }
  }
  if (product.gate != nullptr) {
    const float* gate = product.gate + row * ldc + column;
#pragma GCC unroll 24
    for (int i = 0; i < kRows; ++i) {
#pragma GCC unroll 2
      for (int v = 0; v < kVectors; ++v) {
        sum[i][v] = relu_gradient(load(gate + i * ldc + v * kLanes), sum[i][v]);
      }
    }
  }
#pragma GCC unroll 24
  for (int i = 0; i < kRows; ++i) {
#pragma GCC unroll 2
    for (int v = 0; v < kVectors; ++v) store(c + i * ldc + v * kLanes, sum[i][v]);
  }
}

inline Lanes bias_at(const TileProduct& product, std::int64_t column) {
  return product.bias == nullptr ? zero() : load(product.bias + column);
}

template <int kRows, int kVectors>
void multiply_tile(const TileProduct& product, std::int64_t row, std::int64_t column) {
  if (product.gate != nullptr) {
    fetch_tile<kRows>(product.gate + row * product.ldc + column, product.ldc);
  }
  Lanes sum[kRows][kVectors];
#pragma GCC unroll 2
  for (int v = 0; v < kVectors; ++v) {
    const Lanes start = bias_at(product, column + v * kLanes);
#pragma GCC unroll 24
    for (int i = 0; i < kRows; ++i) sum[i][v] = start;
  }
  accumulate<kRows, kVectors, true>(product.a + row * product.lda, product.lda,
                                    product.packed_b + column * product.k, kVectors * kLanes,
                                    product.k, sum);
  write_tile(product, row, column, sum);
}

// Adds kLanes / kColumns of k for every vector of b, one chain a lane.
template <int kRows, int kColumns>
inline void accumulate_narrow(const float* a, std::int64_t a_step, const float* b,
                              std::int64_t groups, Lanes (&sum)[kRows][1]) {
  for (std::int64_t group = 0; group < groups; ++group) {
    const Lanes right = load(b + group * kLanes);
#pragma GCC unroll 24
    for (int i = 0; i < kRows; ++i) {
      sum[i][0] = fma(load_each<kColumns>(a + i * a_step), right, sum[i][0]);
    }
    a += kLanes / kColumns;
  }
}

// The same for few last columns: kLanes / kColumns of k in a vector, added up at the end.
template <int kRows, int kColumns>
void multiply_narrow_tile(const TileProduct& product, std::int64_t row, std::int64_t column) {
  constexpr std::int64_t kDepth = kLanes / kColumns;
  const float* a = product.a + row * product.lda;
  const float* b = product.packed_b + column * product.k;
  const std::int64_t groups = product.k / kDepth;
  const Lanes last = load(b + groups * kLanes, first_lanes(product.k % kDepth * kColumns));
  const Mask rest = first_lanes(product.k % kDepth);
  Lanes sum[kRows][1];
#pragma GCC unroll 24
  for (int i = 0; i < kRows; ++i) {
    const float* own = a + i * product.lda + groups * kDepth;
    sum[i][0] = multiply(load_each<kColumns>(own, rest), last);
  }
  accumulate_narrow<kRows, kColumns>(a, product.lda, b, groups, sum);
  const Lanes bias = bias_at(product, column);
#pragma GCC unroll 24
  for (int i = 0; i < kRows; ++i) sum[i][0] = add(fold<kColumns>(sum[i][0]), bias);
  write_tile(product, row, column, sum);
}

template <int kColumns>
void multiply_narrow(const TileProduct& product, std::int64_t column) {
  auto tile = [&](auto size, std::int64_t row, std::int64_t at) {
    multiply_narrow_tile<size.kRows, kColumns>(product, row, at);
  };
  cover_panel<1>(0, product.rows, column, tile);
}

/// Computes a TileProduct. An element has the same bits whatever the number of rows, and in
/// whichever row it lies.
inline void multiply(const TileProduct& product) {
  const std::int64_t narrow = narrow_columns(kLanes, product.n);
  const std::int64_t whole = product.n - narrow;
  cover(0, product.rows, whole, [&](auto size, std::int64_t row, std::int64_t column) {
    multiply_tile<size.kRows, size.kVectors>(product, row, column);
  });
  if (narrow > 2) return multiply_narrow<kLanes / 4>(product, whole);
  if (narrow == 2) return multiply_narrow<2>(product, whole);
  if (narrow == 1) multiply_narrow<1>(product, whole);
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

// Adds to kColumns columns of c for kVectors vectors of its rows: c^T += b^T a. The last vector is
// read under a mask, since rows of a may end within it.
template <int kColumns, int kVectors>
void add_narrow_tile(const TileGradient& gradient, std::int64_t row, std::int64_t column) {
  const std::int64_t rest = gradient.m - row - (kVectors - 1) * kLanes;
  const std::int64_t last = rest < kLanes ? rest : kLanes;
  const Mask mask = first_lanes(last);
  Lanes sum[kColumns][kVectors];
  for (auto& lanes : sum) {
    for (Lanes& lane : lanes) lane = zero();
  }
  const float* a = gradient.a + row;
  const float* b = gradient.b + column;
  for (std::int64_t r = 0; r < gradient.rows; ++r, a += gradient.lda, b += gradient.ldb) {
    Lanes right[kVectors];
#pragma GCC unroll 8
    for (int v = 0; v + 1 < kVectors; ++v) right[v] = load(a + v * kLanes);
    right[kVectors - 1] = load(a + (kVectors - 1) * kLanes, mask);
#pragma GCC unroll 8
    for (int j = 0; j < kColumns; ++j) {
      const Lanes left = broadcast(b[j]);
#pragma GCC unroll 8
      for (int v = 0; v < kVectors; ++v) sum[j][v] = fma(left, right[v], sum[j][v]);
    }
  }
  for (int v = 0; v < kVectors; ++v) {
    const std::int64_t count = v + 1 < kVectors ? kLanes : last;
    for (int j = 0; j < kColumns; ++j) {
      float all[kLanes];
      store(all, sum[j][v]);
      float* c = gradient.c + (row + v * kLanes) * gradient.ldc + column + j;
      for (std::int64_t i = 0; i < count; ++i) c[i * gradient.ldc] += all[i];
    }
  }
}

// Vectors of a narrow tile: with their sums and a broadcast they fill the registers.
template <int kColumns>
inline constexpr int kNarrowVectors = kColumns == 1 ? 6 : (kColumns < 4 ? 5 - kColumns / 2 : 2);

template <int kColumns, int kVectors>
void add_last_narrow(const TileGradient& gradient, std::int64_t row, std::int64_t vectors,
                     std::int64_t column) {
  if constexpr (kVectors > 0) {
    if (vectors == kVectors) {
      add_narrow_tile<kColumns, kVectors>(gradient, row, column);
    } else {
      add_last_narrow<kColumns, kVectors - 1>(gradient, row, vectors, column);
    }
  }
}

template <int kColumns>
void add_narrow_columns(const TileGradient& gradient, std::int64_t column) {
  constexpr std::int64_t kMost = kNarrowVectors<kColumns>;
  std::int64_t vectors = (gradient.m + kLanes - 1) / kLanes;
  for (std::int64_t row = 0; vectors > 0;) {
    const std::int64_t some =
        vectors >= 2 * kMost ? kMost : (vectors > kMost ? (vectors + 1) / 2 : vectors);
    add_last_narrow<kColumns, kMost>(gradient, row, some, column);
    row += some * kLanes;
    vectors -= some;
  }
}

template <int kColumns>
void add_narrow(const TileGradient& gradient, std::int64_t columns) {
  if constexpr (kColumns > 0) {
    if (columns == kColumns) {
      add_narrow_columns<kColumns>(gradient, gradient.n - columns);
    } else {
      add_narrow<kColumns - 1>(gradient, columns);
    }
  }
}

/// Adds a TileGradient; up to 128 rows are one chain, added to c once.
inline void add_gradient(const TileGradient& gradient) {
  constexpr std::int64_t kLongest = 128;  // a panel of a and one of b then fit the nearest cache
  const std::int64_t blocks = (gradient.rows + kLongest - 1) / kLongest;
  const std::int64_t step = blocks > 0 ? (gradient.rows + blocks - 1) / blocks : 1;
  const std::int64_t narrow = narrow_columns(kLanes, gradient.n);
  TileGradient part = gradient;
  for (std::int64_t row = 0; row < gradient.rows; row += step) {
    part.rows = gradient.rows - row < step ? gradient.rows - row : step;
    part.a = gradient.a + row * gradient.lda;
    part.b = gradient.b + row * gradient.ldb;
    cover(0, part.m, part.n - narrow, [&](auto size, std::int64_t first, std::int64_t column) {
      add_gradient_tile<size.kRows, size.kVectors>(part, first, column);
    });
    add_narrow<kLanes / 4>(part, narrow);
  }
}

}  // namespace
}  // namespace jetcal::kernels::detail
