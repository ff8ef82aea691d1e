// SPDX-License-Identifier: Apache-2.0
// The products of quantised_layer.h in AMX tiles: 16 rows of 64 bytes.
#pragma once

#include <immintrin.h>

#include "jetcal/kernels/detail/quantised_simd.h"

namespace jetcal::kernels::detail {
namespace {

inline constexpr std::int64_t kTileRows = 16, kTileRowBytes = 64;

/// Tiles 0..3 hold sums (two of rows by two of columns), 4 and 5 rows, 6 and 7 weights.
struct alignas(64) TileConfig {
  std::uint8_t palette = 1, start_row = 0;
  std::uint8_t reserved[14] = {};
  std::uint16_t row_bytes[16] = {64, 64, 64, 64, 64, 64, 64, 64};
  std::uint8_t rows[16] = {16, 16, 16, 16, 16, 16, 16, 16};
};

struct alignas(64) TileSums {
  float values[2][2][kTileRows][kLanes];  // of rows, of columns
};

// GCC's functions want literal numbers of tiles.
struct Bfloat16Tiles : Bfloat16Format {
  static constexpr std::int64_t kGroupVectors = kTileGroup;
  static void product00() { _tile_dpbf16ps(0, 4, 6); }
  static void product01() { _tile_dpbf16ps(1, 4, 7); }
  static void product10() { _tile_dpbf16ps(2, 5, 6); }
  static void product11() { _tile_dpbf16ps(3, 5, 7); }
  static Lanes sums(const float* values) { return load(values); }
};

struct Int8Tiles : Int8Format {
  static constexpr std::int64_t kGroupVectors = kTileGroup;
  static void product00() { _tile_dpbusd(0, 4, 6); }
  static void product01() { _tile_dpbusd(1, 4, 7); }
  static void product10() { _tile_dpbusd(2, 5, 6); }
  static void product11() { _tile_dpbusd(3, 5, 7); }
  static Lanes sums(const float* values) { return to_floats(_mm512_load_si512(values)); }
};

// Multiplies kDown tiles of rows by kAcross tiles of weights.
template <typename Format, int kDown, int kAcross>
void multiply_tiles(const GroupProduct& product, std::int64_t row, std::int64_t vector,
                    TileSums& sums) {
  constexpr std::int64_t kTileBytes = kTileRows * kTileRowBytes;
  const std::uint8_t* x = product.x + row * product.row_bytes;
  const std::uint8_t* weight = product.packed + vector * kTileBytes * product.groups;
  _tile_zero(0);
  if constexpr (kAcross == 2) _tile_zero(1);
  if constexpr (kDown == 2) _tile_zero(2);
  if constexpr (kDown == 2 && kAcross == 2) _tile_zero(3);
  for (std::int64_t group = 0; group < product.groups; ++group) {
    _tile_loadd(4, x, product.row_bytes);
    _tile_loadd(6, weight, kTileRowBytes);
    Format::product00();
    if constexpr (kAcross == 2) {
      _tile_loadd(7, weight + kTileBytes, kTileRowBytes);
      Format::product01();
    }
    if constexpr (kDown == 2) {
      _tile_loadd(5, x + kTileRows * product.row_bytes, product.row_bytes);
      Format::product10();
    }
    if constexpr (kDown == 2 && kAcross == 2) Format::product11();
    x += kTileRowBytes;
    weight += kAcross * kTileBytes;
  }
  _tile_stored(0, sums.values[0][0], kTileRowBytes);
  if constexpr (kAcross == 2) _tile_stored(1, sums.values[0][1], kTileRowBytes);
  if constexpr (kDown == 2) _tile_stored(2, sums.values[1][0], kTileRowBytes);
  if constexpr (kDown == 2 && kAcross == 2) _tile_stored(3, sums.values[1][1], kTileRowBytes);
}

// Ends up to a tile of rows as end_column does, in the same order of sums.
template <typename Format, int kAcross, bool kSum>
void end_tiles(const GroupProduct& product, std::int64_t row, std::int64_t rows,
               std::int64_t vector, const float (&sums)[2][kTileRows][kLanes]) {
  const RowEnd& end = product.end;
  const std::int64_t column = vector * kLanes;
  const float* const steps = product.steps + row;
  Lanes weight_step[kAcross];
  Lanes bias[kAcross];
  Lanes total[kAcross];
  for (int v = 0; v < kAcross; ++v) {
    weight_step[v] = load(product.weight_steps + column + v * kLanes);
    bias[v] = load(end.bias + column + v * kLanes);
  }
  const auto value = [&](std::int64_t i, int v) {
    return fma(Format::sums(sums[v][i]), multiply(weight_step[v], broadcast(steps[i])), bias[v]);
  };
  if constexpr (kSum) {
    const std::int32_t* const segment = end.segments + row;
    for (std::int64_t begin = 0; begin < rows;) {
      float* const to = end.y + segment[begin] * end.y_stride + column;
      for (int v = 0; v < kAcross; ++v) total[v] = load(to + v * kLanes);
      std::int64_t i = begin;
      for (; i < rows && segment[i] == segment[begin]; ++i) {
        for (int v = 0; v < kAcross; ++v) total[v] = add(total[v], relu(value(i, v)));
      }
      for (int v = 0; v < kAcross; ++v) store(to + v * kLanes, total[v]);
      begin = i;
    }
  } else {
    const Lanes floor = broadcast(end.relu ? 0.0F : -__builtin_inff());
    float* to = end.y + row * end.y_stride + column;
    for (std::int64_t i = 0; i < rows; ++i, to += end.y_stride) {
      for (int v = 0; v < kAcross; ++v) store(to + v * kLanes, maximum(floor, value(i, v)));
    }
  }
}

template <typename Format, int kDown, int kAcross, bool kSum>
void tile_block(const GroupProduct& product, std::int64_t row, std::int64_t vector) {
  TileSums sums;
  multiply_tiles<Format, kDown, kAcross>(product, row, vector, sums);
  for (int down = 0; down < kDown; ++down) {
    const std::int64_t first = row + down * kTileRows;
    const std::int64_t left = product.rows - first;
    end_tiles<Format, kAcross, kSum>(product, first, left < kTileRows ? left : kTileRows, vector,
                                     sums.values[down]);
  }
}

template <typename Format, int kDown, bool kSum>
void tile_rows(const GroupProduct& product, std::int64_t row) {
  std::int64_t vector = 0;
  for (; vector + 2 <= product.vectors; vector += 2) {
    tile_block<Format, kDown, 2, kSum>(product, row, vector);
  }
  if (vector < product.vectors) tile_block<Format, kDown, 1, kSum>(product, row, vector);
}

template <typename Format, bool kSum>
void all_tiles(const GroupProduct& product) {
  for (std::int64_t row = 0; row < product.rows; row += 2 * kTileRows) {
    if (row + kTileRows < product.rows) {
      tile_rows<Format, 2, kSum>(product, row);
    } else {
      tile_rows<Format, 1, kSum>(product, row);
    }
  }
}

// Tiles are set up and given back at every call: another library may use them on this thread.
template <typename Format>
void tile_product(const GroupProduct& product) {
  static constexpr TileConfig kConfig;
  _tile_loadconfig(&kConfig);
  if (product.end.segments != nullptr) {
    all_tiles<Format, true>(product);
  } else {
    all_tiles<Format, false>(product);
  }
  _tile_release();
}

template <typename Format>
constexpr QuantisedKernels tile_kernels() {
  QuantisedKernels kernels = quantised_kernels<Format>();
  kernels.tile_rows = kTileRows;
  kernels.product = tile_product<Format>;
  return kernels;
}

}  // namespace
}  // namespace jetcal::kernels::detail
