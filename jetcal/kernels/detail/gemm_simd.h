// SPDX-License-Identifier: Apache-2.0
// The vector variant of a block of a matrix product, for any width: a tile of c stays in registers.
#pragma once

#include "jetcal/kernels/detail/gemm_kernels.h"
#include "jetcal/kernels/detail/simd.h"

namespace jetcal::kernels::detail {
namespace {

constexpr int kTileVectors = 2;
// Rows of a tile: rows x 2 accumulators, 2 vectors of b and one of a fill the 16 or 32 registers.
constexpr int kTileRows = kLanes == 8 ? 6 : 12;

inline Lanes finish(const GemmBlock& product, Lanes sum, Lanes old, Lanes bias) {
  sum = multiply(broadcast(product.alpha), sum);
  if (product.beta != 0) sum = fma(broadcast(product.beta), old, sum);
  if (product.bias != nullptr) sum = add(sum, bias);
  return product.relu ? relu(sum) : sum;
}

// Computes kRows x kVectors vectors of c at (row, column). Every element is one chain of fma over
// ascending k, whatever the tile's size: that keeps its bits the same in any batch.
template <int kRows, int kVectors>
void compute_tile(const GemmBlock& product, std::int64_t row, std::int64_t column) {
  Lanes sum[kRows][kVectors];
  for (auto& lanes : sum) {
    for (Lanes& lane : lanes) lane = zero();
  }
  const float* a = product.a + row * product.a_row_stride;
  const float* b = product.packed_b + column * product.k;
  const std::int64_t row_stride = product.a_row_stride;
  for (std::int64_t p = 0; p < product.k; ++p) {
    Lanes right[kVectors];
    for (int v = 0; v < kVectors; ++v) right[v] = load(b + v * kLanes);
    for (int i = 0; i < kRows; ++i) {
      const Lanes left = broadcast(a[i * row_stride]);
      for (int v = 0; v < kVectors; ++v) sum[i][v] = fma(left, right[v], sum[i][v]);
    }
    a += product.a_k_stride;
    b += kVectors * kLanes;
  }
  for (int v = 0; v < kVectors; ++v) {
    const std::int64_t first = column + v * kLanes;
    const bool full = first + kLanes <= product.n;
    const Mask mask = first_lanes(full ? kLanes : product.n - first);
    const float* bias = product.bias;
    const Lanes shift = bias == nullptr ? zero() : load(bias + first, mask);
    for (int i = 0; i < kRows; ++i) {
      float* c = product.c + (row + i) * product.ldc + first;
      const Lanes old = product.beta != 0 ? load(c, mask) : zero();
      const Lanes value = finish(product, sum[i][v], old, shift);
      if (full) {
        store(c, value);
      } else {
        store(c, mask, value);
      }
    }
  }
}

template <int kRows, int kVectors>
void compute_some_rows(const GemmBlock& product, std::int64_t rows, std::int64_t row,
                       std::int64_t column) {
  if constexpr (kRows > 0) {
    if (rows == kRows) {
      compute_tile<kRows, kVectors>(product, row, column);
    } else {
      compute_some_rows<kRows - 1, kVectors>(product, rows, row, column);
    }
  }
}

template <int kVectors>
void compute_panel(const GemmBlock& product, std::int64_t begin, std::int64_t end,
                   std::int64_t column) {
  std::int64_t row = begin;
  for (; row + kTileRows <= end; row += kTileRows) {
    compute_tile<kTileRows, kVectors>(product, row, column);
  }
  compute_some_rows<kTileRows - 1, kVectors>(product, end - row, row, column);
}

inline void compute_block(const GemmBlock& product) {
  constexpr std::int64_t kRowBlock = 96;  // rows of a that stay in cache while panels of b pass
  for (std::int64_t row = 0; row < product.m; row += kRowBlock) {
    const std::int64_t end = row + kRowBlock < product.m ? row + kRowBlock : product.m;
    std::int64_t column = 0;
    for (; column + kLanes < product.n; column += kTileVectors * kLanes) {
      compute_panel<kTileVectors>(product, row, end, column);
    }
    if (column < product.n) compute_panel<1>(product, row, end, column);
  }
}

}  // namespace
}  // namespace jetcal::kernels::detail
