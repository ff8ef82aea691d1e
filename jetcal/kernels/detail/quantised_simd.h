// SPDX-License-Identifier: Apache-2.0
// The vector variant of quantised_layer.h, for any width and format.
#pragma once

#include "jetcal/kernels/detail/integer_simd.h"
#include "jetcal/kernels/detail/quantised_kernels.h"
#include "jetcal/kernels/detail/row_layer_simd.h"

namespace jetcal::kernels::detail {
namespace {

template <typename Format, int kRows, int kVectors, bool kSum>
void group_tile(const GroupProduct& product, std::int64_t row, std::int64_t vector) {
  constexpr std::int64_t kXBytes = 4 * Format::kGroupVectors;
  constexpr std::int64_t kWeightBytes = kXBytes * kLanes;
  typename Format::Sum sum[kVectors][kRows];
  for (auto& lanes : sum) {
    for (auto& lane : lanes) lane = Format::zero_sum();
  }
  const std::int64_t stride = product.row_bytes;
  const std::uint8_t* x = product.x + row * stride;
  const std::uint8_t* weight = product.packed + vector * kWeightBytes * product.groups;
  for (std::int64_t group = 0; group < product.groups; ++group) {
    typename Format::Group right[kVectors];
    for (int v = 0; v < kVectors; ++v) right[v] = Format::load_group(weight + v * kWeightBytes);
    for (int i = 0; i < kRows; ++i) {
      const auto left = Format::broadcast_group(x + i * stride + group * kXBytes);
      for (int v = 0; v < kVectors; ++v) {
        sum[v][i] = Format::add_products(left, right[v], sum[v][i]);
      }
    }
    weight += kVectors * kWeightBytes;
  }
#pragma GCC unroll 2
  for (int v = 0; v < kVectors; ++v) {
    const std::int64_t column = (vector + v) * kLanes;
    const Lanes weight_step = load(product.weight_steps + column);
    const Lanes bias = load(product.end.bias + column);
    Lanes value[kRows];
#pragma GCC unroll 24
    for (int i = 0; i < kRows; ++i) {
      const Lanes step = multiply(weight_step, broadcast(product.steps[row + i]));
      value[i] = fma(Format::floats(sum[v][i]), step, bias);
    }
    end_column<kRows, kSum>(product.end, row, column, value);
  }
}

template <typename Format, int kRows, int kVectors, bool kSum>
void group_rest(const GroupProduct& product, std::int64_t rows, std::int64_t row,
                std::int64_t vector) {
  if constexpr (kRows > 0) {
    if (rows == kRows) {
      group_tile<Format, kRows, kVectors, kSum>(product, row, vector);
    } else {
      group_rest<Format, kRows - 1, kVectors, kSum>(product, rows, row, vector);
    }
  }
}

template <typename Format, int kVectors, bool kSum>
void group_panel(const GroupProduct& product, std::int64_t begin, std::int64_t end,
                 std::int64_t vector) {
  constexpr int kRows = Format::tile_rows(kVectors);
  std::int64_t row = begin;
  for (; row + kRows <= end; row += kRows) {
    group_tile<Format, kRows, kVectors, kSum>(product, row, vector);
  }
  group_rest<Format, kRows - 1, kVectors, kSum>(product, end - row, row, vector);
}

template <typename Format, bool kSum>
void group_rows(const GroupProduct& product) {
  for (std::int64_t row = 0; row < product.rows; row += kRowBlock) {
    const std::int64_t end = row + kRowBlock < product.rows ? row + kRowBlock : product.rows;
    std::int64_t vector = 0;
    for (; vector + 2 <= product.vectors; vector += 2) {
      group_panel<Format, 2, kSum>(product, row, end, vector);
    }
    if (vector < product.vectors) group_panel<Format, 1, kSum>(product, row, end, vector);
  }
}

template <typename Format>
void group_product(const GroupProduct& product) {
  if (product.end.segments != nullptr) {
    group_rows<Format, true>(product);
  } else {
    group_rows<Format, false>(product);
  }
}

inline float largest_of_row(const float* x, std::int64_t size) {
  Integers most = broadcast_integer(0);
  for (std::int64_t c = 0; c < size; c += kLanes) {
    most = maximum(most, magnitude(relu(load(x + c))));
  }
  const std::int32_t bits = largest_lane(most);
  float value = 0;
  __builtin_memcpy(&value, &bits, sizeof value);
  return value;
}

inline void largest_of_rows(const float* x, std::int64_t stride, std::int64_t rows,
                            std::int64_t vectors, float* largest) {
  for (std::int64_t i = 0; i < rows; ++i) {
    largest[i] = largest_of_row(x + i * stride, vectors * kLanes);
  }
}

template <typename Format>
float scale_for(float bound) {
  if (Format::kMost == 0) return 1.0F;
  return bound >= kLeastBound ? Format::kMost / bound : 0.0F;
}

template <typename Format>
float step_for(float bound) {
  return Format::kMost == 0 ? 1.0F : bound / Format::kMost;
}

// Clears what a row of levels has behind `size` levels: whole quarters of a vector of 64 bytes.
template <typename Format>
void clear_rest(std::uint8_t* levels, std::int64_t size, std::int64_t row_bytes) {
  if constexpr (Format::kGroupVectors == kTileGroup) {
    for (std::int64_t byte = size * Format::kLevelBytes; byte < row_bytes; byte += 16) {
      _mm_storeu_si128(reinterpret_cast<__m128i*>(levels + byte), _mm_setzero_si128());
    }
  }
}

template <typename Format>
void quantise_rows(const Quantisation& rows) {
  const std::int64_t size = rows.vectors * kLanes;
  for (std::int64_t i = 0; i < rows.rows; ++i) {
    const float* x = rows.x + i * rows.x_stride;
    const float bound = Format::kMost == 0 ? 0.0F : largest_of_row(x, size);
    rows.steps[i] = step_for<Format>(bound);
    const Lanes scale = broadcast(scale_for<Format>(bound));
    std::uint8_t* levels = rows.levels + i * rows.row_bytes;
    for (std::int64_t c = 0; c < size; c += kLanes) {
      Format::store_levels(levels + c * Format::kLevelBytes, multiply(load(x + c), scale));
    }
    clear_rest<Format>(levels, size, rows.row_bytes);
  }
}

template <typename Format>
void quantise_edges(const QuantisedEdges& edges) {
  const std::int64_t size = edges.vectors * kLanes;
  for (std::int64_t e = 0; e < edges.edges; ++e) {
    const std::int64_t source = edges.sources[e];
    const std::int64_t target = edges.targets[e];
    const float* center = edges.center + source * edges.stride;
    const float* neighbor = edges.neighbor + target * edges.stride;
    const float bound =
        Format::kMost == 0 ? 0.0F : edges.center_largest[source] + edges.neighbor_largest[target];
    edges.steps[e] = step_for<Format>(bound);
    const Lanes scale = broadcast(scale_for<Format>(bound));
    std::uint8_t* levels = edges.levels + e * edges.row_bytes;
    for (std::int64_t c = 0; c < size; c += kLanes) {
      // What is below zero becomes zero when it is stored.
      const Lanes value = multiply(add(load(center + c), load(neighbor + c)), scale);
      Format::store_levels(levels + c * Format::kLevelBytes, value);
    }
    clear_rest<Format>(levels, size, edges.row_bytes);
  }
}

template <typename Format>
constexpr QuantisedKernels quantised_kernels() {
  return {kLanes,
          Format::kLevelBytes,
          Format::kGroupVectors,
          1,
          Format::kMost,
          quantise_rows<Format>,
          largest_of_rows,
          quantise_edges<Format>,
          group_product<Format>};
}

}  // namespace
}  // namespace jetcal::kernels::detail
