// SPDX-License-Identifier: Apache-2.0
// The vector variant of a block of a matrix product, for any width: a tile of c stays in registers.
#pragma once

#include "jetcal/kernels/detail/gemm_kernels.h"
#include "jetcal/kernels/detail/tile_product_simd.h"

namespace jetcal::kernels::detail {
namespace {

// Tells what remains to be done with the sums of one vector of columns.
struct Finish {
  Lanes alpha, beta, bias, floor;  // floor is 0 for relu, -infinity for none
  Mask mask;
  std::int64_t columns;
  bool full, adds_old;
};

inline Finish finish_for(const GemmBlock& product, std::int64_t column) {
  const bool full = column + kLanes <= product.n;
  const Mask mask = first_lanes(full ? kLanes : product.n - column);
  return {broadcast(product.alpha),
          broadcast(product.beta),
          product.bias == nullptr ? zero() : load(product.bias + column, mask),
          broadcast(product.relu ? 0.0F : -__builtin_inff()),
          mask,
          product.n - column,
          full,
          product.beta != 0};
}

// Stores the first columns of a vector. AVX2's masked store takes longer than a whole row of a tile
// on some processors, so a vector goes in halves of halves there.
inline void store_some(const Finish& finish, Lanes value, float* c) {
  if constexpr (kLanes > 8) {
    store(c, finish.mask, value);
  } else {
    float all[kLanes];
    store(all, value);
    std::int64_t i = 0;
    if ((finish.columns & 4) != 0) {
      __builtin_memcpy(c, all, 4 * sizeof *c);
      i = 4;
    }
    if ((finish.columns & 2) != 0) {
      __builtin_memcpy(c + i, all + i, 2 * sizeof *c);
      i += 2;
    }
    if ((finish.columns & 1) != 0) c[i] = all[i];
  }
}

inline void write(const Finish& finish, Lanes sum, float* c) {
  Lanes base = finish.bias;
  if (finish.adds_old) {
    const Lanes old = finish.full ? load(c) : load(c, finish.mask);
    base = fma(finish.beta, old, base);
  }
  const Lanes value = maximum(finish.floor, fma(finish.alpha, sum, base));
  if (finish.full) {
    store(c, value);
  } else {
    store_some(finish, value, c);
  }
}

// Computes kRows x kVectors vectors of c at (row, column). Every element is one chain of fma over
// ascending k, whatever the tile's size: that keeps its bits the same in any batch.
template <int kRows, int kVectors>
void compute_tile(const GemmBlock& product, std::int64_t row, std::int64_t column) {
  fetch_tile<kRows, /*kWrite=*/1>(product.c + row * product.ldc + column, product.ldc);
  Lanes sum[kRows][kVectors];
  for (auto& lanes : sum) {
    for (Lanes& lane : lanes) lane = zero();
  }
  const float* a = product.a + row * product.a_row_stride;
  const float* b = product.packed_b + column * product.k;
  if (product.a_k_stride == 1) {
    accumulate<kRows, kVectors, true>(a, product.a_row_stride, b, kVectors * kLanes, product.k,
                                      sum);
  } else {
    accumulate<kRows, kVectors, false>(a, product.a_k_stride, b, kVectors * kLanes, product.k, sum);
  }
#pragma GCC unroll 2
  for (int v = 0; v < kVectors; ++v) {
    const Finish finish = finish_for(product, column + v * kLanes);
    float* c = product.c + row * product.ldc + column + v * kLanes;
#pragma GCC unroll 24
    for (int i = 0; i < kRows; ++i) write(finish, sum[i][v], c + i * product.ldc);
  }
}

// Rows of a that the next panels want, fetched a few lines at a time while these are multiplied.
struct Ahead {
  const char* next;
  const char* end;
  std::int64_t lines;  // for each tile

  void fetch() {
    constexpr std::int64_t kLine = 64;
    for (std::int64_t i = 0; i < lines && next < end; ++i, next += kLine) __builtin_prefetch(next);
  }
};

// Rows of a that stay in cache while panels of b pass.
inline constexpr std::int64_t kRowBlock = 96;

// The rows behind a block, where they lie in one piece.
inline Ahead rows_behind(const GemmBlock& product, std::int64_t row) {
  const std::int64_t more = product.m - row < kRowBlock ? product.m - row : kRowBlock;
  if (product.a_k_stride != 1 || product.a_row_stride > product.k + kLanes || more <= 0) {
    return {nullptr, nullptr, 0};
  }
  const float* first = product.a + row * product.a_row_stride;
  const std::int64_t floats = (more - 1) * product.a_row_stride + product.k;
  const std::int64_t panels = (product.n + kTileVectors * kLanes - 1) / (kTileVectors * kLanes);
  const std::int64_t tiles = panels * (kRowBlock / kTileRows<kTileVectors>);
  const char* bytes = reinterpret_cast<const char*>(first);
  return {bytes, reinterpret_cast<const char*>(first + floats), floats / 16 / tiles + 1};
}

inline void compute_block(const GemmBlock& product) {
  for (std::int64_t row = 0; row < product.m; row += kRowBlock) {
    const std::int64_t end = row + kRowBlock < product.m ? row + kRowBlock : product.m;
    Ahead ahead = rows_behind(product, end);
    cover(row, end, product.n, [&](auto size, std::int64_t first, std::int64_t column) {
      if (size.kRows == kTileRows<size.kVectors>) ahead.fetch();
      compute_tile<size.kRows, size.kVectors>(product, first, column);
    });
  }
}

}  // namespace
}  // namespace jetcal::kernels::detail
