// SPDX-License-Identifier: Apache-2.0
#include <cmath>

#include "jetcal/kernels/detail/bfloat16.h"
#include "jetcal/kernels/detail/quantised_kernels.h"

namespace jetcal::kernels::detail {
namespace {

// Levels as numbers; each format says how many bytes they take.
struct Int16 {
  static constexpr std::int64_t kLevelBytes = 2, kGroupVectors = kInt16Group;
  static constexpr float kMost = kMostInt16;
  static void put(std::uint8_t* at, float value) {
    const auto level = static_cast<std::int16_t>(value > 0 ? std::lrint(value) : 0);
    std::memcpy(at, &level, sizeof level);
  }
  static double x(const std::uint8_t* at) { return weight(at); }
  static double weight(const std::uint8_t* at) {
    std::int16_t level = 0;
    std::memcpy(&level, at, sizeof level);
    return level;
  }
};

struct Int8 {
  static constexpr std::int64_t kLevelBytes = 1, kGroupVectors = kInt8Group;
  static constexpr float kMost = kMostInt8;
  static void put(std::uint8_t* at, float value) {
    *at = static_cast<std::uint8_t>(value > 0 ? std::lrint(value) : 0);
  }
  static double x(const std::uint8_t* at) { return *at; }
  static double weight(const std::uint8_t* at) { return static_cast<std::int8_t>(*at); }
};

struct Bfloat16 {
  static constexpr std::int64_t kLevelBytes = 2, kGroupVectors = kBfloat16Group;
  static constexpr float kMost = 0;
  static void put(std::uint8_t* at, float value) {
    const std::uint16_t half = to_bfloat16(value < 0 ? 0 : value);
    std::memcpy(at, &half, sizeof half);
  }
  static double x(const std::uint8_t* at) { return weight(at); }
  static double weight(const std::uint8_t* at) {
    std::uint16_t half = 0;
    std::memcpy(&half, at, sizeof half);
    return from_bfloat16(half);
  }
};

template <typename Format>
float scale_for(float bound) {
  if (Format::kMost == 0) return 1;
  return bound >= kLeastBound ? Format::kMost / bound : 0;
}

template <typename Format>
float step_for(float bound) {
  return Format::kMost == 0 ? 1 : bound / Format::kMost;
}

float largest_of_row(const float* x, std::int64_t size) {
  float largest = 0;
  for (std::int64_t c = 0; c < size; ++c) {
    if (std::isnan(x[c])) return x[c];
    if (x[c] > largest) largest = x[c];
  }
  return largest;
}

void largest(const float* x, std::int64_t stride, std::int64_t rows, std::int64_t vectors,
             float* largest) {
  for (std::int64_t i = 0; i < rows; ++i) largest[i] = largest_of_row(x + i * stride, vectors);
}

template <typename Format>
void quantise(const Quantisation& rows) {
  for (std::int64_t i = 0; i < rows.rows; ++i) {
    const float* x = rows.x + i * rows.x_stride;
    const float bound = largest_of_row(x, rows.vectors);
    rows.steps[i] = step_for<Format>(bound);
    std::uint8_t* levels = rows.levels + i * rows.row_bytes;
    std::memset(levels, 0, static_cast<std::size_t>(rows.row_bytes));
    for (std::int64_t c = 0; c < rows.vectors; ++c) {
      Format::put(levels + c * Format::kLevelBytes, x[c] * scale_for<Format>(bound));
    }
  }
}

template <typename Format>
void gather(const QuantisedEdges& edges) {
  for (std::int64_t e = 0; e < edges.edges; ++e) {
    const std::int64_t source = edges.sources[e];
    const std::int64_t target = edges.targets[e];
    const float bound = edges.center_largest[source] + edges.neighbor_largest[target];
    edges.steps[e] = step_for<Format>(bound);
    std::uint8_t* levels = edges.levels + e * edges.row_bytes;
    std::memset(levels, 0, static_cast<std::size_t>(edges.row_bytes));
    for (std::int64_t c = 0; c < edges.vectors; ++c) {
      const float value =
          edges.center[source * edges.stride + c] + edges.neighbor[target * edges.stride + c];
      Format::put(levels + c * Format::kLevelBytes, value * scale_for<Format>(bound));
    }
  }
}

// The sum over k of one row and column; exact for integers.
template <typename Format>
double sum_of(const GroupProduct& product, std::int64_t row, std::int64_t column) {
  constexpr std::int64_t kGroupBytes = 4 * Format::kGroupVectors;
  const std::int64_t first = column / 2 * 2;  // of its panel
  const std::int64_t width = product.vectors - first < 2 ? 1 : 2;
  const std::uint8_t* x = product.x + row * product.row_bytes;
  const std::uint8_t* panel =
      product.packed + (first * product.groups + column - first) * kGroupBytes;
  double total = 0;
  for (std::int64_t group = 0; group < product.groups; ++group) {
    for (std::int64_t byte = 0; byte < kGroupBytes; byte += Format::kLevelBytes) {
      total += Format::x(x + group * kGroupBytes + byte) *
               Format::weight(panel + group * width * kGroupBytes + byte);
    }
  }
  return total;
}

template <typename Format>
void product(const GroupProduct& product) {
  for (std::int64_t row = 0; row < product.rows; ++row) {
    for (std::int64_t column = 0; column < product.vectors; ++column) {
      double value =
          sum_of<Format>(product, row, column) * product.weight_steps[column] * product.steps[row] +
          product.end.bias[column];
      if ((product.end.relu || product.end.segments != nullptr) && value < 0) value = 0;
      if (product.end.segments != nullptr) {
        product.end.y[product.end.segments[row] * product.end.y_stride + column] +=
            static_cast<float>(value);
      } else {
        product.end.y[row * product.end.y_stride + column] = static_cast<float>(value);
      }
    }
  }
}

template <typename Format>
constexpr QuantisedKernels kernels() {
  return {1,       Format::kLevelBytes, Format::kGroupVectors, 1, Format::kMost, quantise<Format>,
          largest, gather<Format>,      product<Format>};
}

}  // namespace

const QuantisedKernels kInt16Ref = kernels<Int16>();
const QuantisedKernels kInt8Ref = kernels<Int8>();
const QuantisedKernels kBfloat16Ref = kernels<Bfloat16>();

}  // namespace jetcal::kernels::detail
