// SPDX-License-Identifier: Apache-2.0
// The vector variant of row_layer.h and edge_infer.h, for any width.
#pragma once

#include "jetcal/kernels/detail/row_layer_kernels.h"
#include "jetcal/kernels/detail/simd.h"

namespace jetcal::kernels::detail {
namespace {

// Rows of a tile: with its vectors of accumulators, one vector of weights each and a broadcast it
// fills the 16 or 32 registers. All divide kRowBlock.
template <int kVectors>
inline constexpr int kLayerTileRows = (kLanes == 8 ? 12 : 24) / kVectors;

// Rows that pass a panel of weights before the next one comes: both stay in the nearest cache.
inline constexpr std::int64_t kRowBlock = 48;

// Writes a vector of every row, or adds it to the rows' segments one after the other: the sum's
// order is that of the rows, however they are cut into tiles. The values have their bias.
template <int kRows, bool kSum>
void end_column(const RowEnd& end, std::int64_t row, std::int64_t column,
                const Lanes (&value)[kRows]) {
  if constexpr (kSum) {
    const std::int32_t* segment = end.segments + row;
    float* to = end.y + *segment * end.y_stride + column;
    Lanes total = load(to);
#pragma GCC unroll 24
    for (int i = 0; i < kRows; ++i) {
      if (i > 0 && segment[i] != segment[i - 1]) {
        store(to, total);
        to = end.y + segment[i] * end.y_stride + column;
        total = load(to);
      }
      total = add(total, relu(value[i]));
    }
    store(to, total);
  } else {
    const Lanes floor = broadcast(end.relu ? 0.0F : -__builtin_inff());
    float* to = end.y + row * end.y_stride + column;
#pragma GCC unroll 24
    for (int i = 0; i < kRows; ++i) store(to + i * end.y_stride, maximum(floor, value[i]));
  }
}

// Every element is one chain of fma from the bias over ascending k, whatever the tile's size: that
// keeps its bits the same in any batch.
template <int kRows, int kVectors, bool kSum>
void layer_tile(const RowProduct& product, std::int64_t row, std::int64_t vector) {
  Lanes sum[kVectors][kRows];
  for (int v = 0; v < kVectors; ++v) {
    const Lanes bias = load(product.end.bias + (vector + v) * kLanes);
    for (Lanes& lane : sum[v]) lane = bias;
  }
  const std::int64_t stride = product.x_stride;
  const float* x = product.x + row * stride;
  const float* weight = product.packed + vector * kLanes * product.in;
  for (std::int64_t k = 0; k < product.in; ++k) {
    Lanes right[kVectors];
    for (int v = 0; v < kVectors; ++v) right[v] = load(weight + v * kLanes);
    for (int i = 0; i < kRows; ++i) {
      const Lanes left = broadcast(x[i * stride + k]);
      for (int v = 0; v < kVectors; ++v) sum[v][i] = fma(left, right[v], sum[v][i]);
    }
    weight += kVectors * kLanes;
  }
#pragma GCC unroll 3
  for (int v = 0; v < kVectors; ++v) {
    end_column<kRows, kSum>(product.end, row, (vector + v) * kLanes, sum[v]);
  }
}

template <int kRows, int kVectors, bool kSum>
void layer_rest(const RowProduct& product, std::int64_t rows, std::int64_t row,
                std::int64_t vector) {
  if constexpr (kRows > 0) {
    if (rows == kRows) {
      layer_tile<kRows, kVectors, kSum>(product, row, vector);
    } else {
      layer_rest<kRows - 1, kVectors, kSum>(product, rows, row, vector);
    }
  }
}

template <int kVectors, bool kSum>
void layer_panel(const RowProduct& product, std::int64_t begin, std::int64_t end,
                 std::int64_t vector) {
  constexpr int kRows = kLayerTileRows<kVectors>;
  std::int64_t row = begin;
  for (; row + kRows <= end; row += kRows) {
    layer_tile<kRows, kVectors, kSum>(product, row, vector);
  }
  layer_rest<kRows - 1, kVectors, kSum>(product, end - row, row, vector);
}

template <bool kSum>
void layer_rows(const RowProduct& product) {
  for (std::int64_t row = 0; row < product.rows; row += kRowBlock) {
    const std::int64_t end = row + kRowBlock < product.rows ? row + kRowBlock : product.rows;
    for (std::int64_t vector = 0; vector < product.vectors;) {
      const std::int64_t width = panel_vectors(product.vectors - vector);
      if (width == 3) {
        layer_panel<3, kSum>(product, row, end, vector);
      } else if (width == 2) {
        layer_panel<2, kSum>(product, row, end, vector);
      } else {
        layer_panel<1, kSum>(product, row, end, vector);
      }
      vector += width;
    }
  }
}

inline void layer_product(const RowProduct& product) {
  if (product.end.segments != nullptr) {
    layer_rows<true>(product);
  } else {
    layer_rows<false>(product);
  }
}

inline void edge_gather(const EdgeRows& edges) {
  const std::int64_t size = edges.vectors * kLanes;
  for (std::int64_t e = 0; e < edges.edges; ++e) {
    const float* center = edges.center + edges.sources[e] * edges.stride;
    const float* neighbor = edges.neighbor + edges.targets[e] * edges.stride;
    float* z = edges.z + e * edges.z_stride;
    for (std::int64_t c = 0; c < size; c += kLanes) {
      store(z + c, relu(add(load(center + c), load(neighbor + c))));
    }
  }
}

// Adds the edges [begin, end) of one source, kVectors columns in registers.
template <int kVectors>
void sum_edges(const EdgeRows& edges, std::int64_t begin, std::int64_t end, std::int64_t column) {
  const std::int64_t source = edges.sources[begin];
  const float* own = edges.center + source * edges.stride + column;
  float* z = edges.z + source * edges.z_stride + column;
  Lanes center[kVectors];
  Lanes total[kVectors];
  for (int v = 0; v < kVectors; ++v) {
    center[v] = load(own + v * kLanes);
    total[v] = load(z + v * kLanes);
  }
  for (std::int64_t e = begin; e < end; ++e) {
    const float* neighbor = edges.neighbor + edges.targets[e] * edges.stride + column;
    for (int v = 0; v < kVectors; ++v) {
      total[v] = add(total[v], relu(add(center[v], load(neighbor + v * kLanes))));
    }
  }
  for (int v = 0; v < kVectors; ++v) store(z + v * kLanes, total[v]);
}

inline void edge_sum(const EdgeRows& edges) {
  for (std::int64_t begin = 0; begin < edges.edges;) {
    std::int64_t end = begin + 1;
    while (end < edges.edges && edges.sources[end] == edges.sources[begin]) ++end;
    std::int64_t vector = 0;
    for (; vector + 4 <= edges.vectors; vector += 4) {
      sum_edges<4>(edges, begin, end, vector * kLanes);
    }
    for (; vector < edges.vectors; ++vector) sum_edges<1>(edges, begin, end, vector * kLanes);
    begin = end;
  }
}

inline void block_end(const BlockEnd& end) {
  for (std::int64_t i = 0; i < end.rows; ++i) {
    const Lanes count = broadcast(end.counts[i] > 0 ? static_cast<float>(end.counts[i]) : 1.0F);
    const float* shortcut = end.shortcut + i * end.shortcut_stride;
    float* y = end.y + i * end.y_stride;
    for (std::int64_t c = 0; c < end.vectors * kLanes; c += kLanes) {
      store(y + c, relu(add(divide(load(y + c), count), load(shortcut + c))));
    }
  }
}

}  // namespace
}  // namespace jetcal::kernels::detail
