// SPDX-License-Identifier: Apache-2.0
#include "jetcal/kernels/quantised_layer.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>

#include "jetcal/base/error.h"
#include "jetcal/kernels/detail/bfloat16.h"
#include "jetcal/kernels/detail/quantised_table.h"
#include "jetcal/kernels/isa.h"

namespace jetcal::kernels {
namespace {

// Returns the factor that makes levels of the weights of one output: 0 for weights without size,
// NaN for those that are not finite.
double weight_scale(Precision precision, std::span<const float> weights) {
  double largest = 0;
  double size = 0;
  for (const float weight : weights) {
    const double magnitude = std::abs(static_cast<double>(weight));
    largest = std::max(largest, magnitude);
    size += magnitude;
  }
  if (!std::isfinite(size)) return std::numeric_limits<double>::quiet_NaN();
  if (precision == Precision::Bfloat16) return 1;
  if (size < detail::kLeastBound) return 0;
  if (precision == Precision::Int8) return detail::kMostInt8Weight / largest;
  // The sum of products must fit 32 bits: levels may round up by one, weights by a half.
  constexpr double kMostSum = std::numeric_limits<std::int32_t>::max();
  const double most =
      kMostSum / (detail::kMostInt16 + 1) - 0.5 * static_cast<double>(weights.size());
  return std::min(std::numeric_limits<std::int16_t>::max() / largest, most / size);
}

void put_weight(Precision precision, double value, std::uint8_t* at) {
  if (precision == Precision::Int8) {
    *at = static_cast<std::uint8_t>(std::lrint(value));
    return;
  }
  const std::uint16_t bits = precision == Precision::Bfloat16
                                 ? detail::to_bfloat16(static_cast<float>(value))
                                 : static_cast<std::uint16_t>(std::lrint(value));
  std::memcpy(at, &bits, sizeof bits);
}

std::int64_t group_bytes(const detail::QuantisedKernels& kernels) {
  return 4 * kernels.group_vectors;
}

std::int64_t num_groups(const detail::QuantisedKernels& kernels, std::int64_t channels) {
  return (channels * kernels.level_bytes + group_bytes(kernels) - 1) / group_bytes(kernels);
}

std::int64_t row_bytes(const detail::QuantisedKernels& kernels, std::int64_t channels) {
  const std::int64_t whole_vectors = (channels + kernels.lanes - 1) / kernels.lanes * kernels.lanes;
  return std::max(whole_vectors * kernels.level_bytes,
                  num_groups(kernels, channels) * group_bytes(kernels));
}

}  // namespace

std::int64_t room_for_rows(Precision precision, std::int64_t rows, std::int64_t channels,
                           QuantisedRows& quantised) {
  const auto& kernels = detail::quantised_kernels(kernel_isa(), precision);
  const std::int64_t bytes = row_bytes(kernels, channels);
  const std::int64_t tiles = (rows + kernels.tile_rows - 1) / kernels.tile_rows;
  room_for(quantised.levels, tiles * kernels.tile_rows * bytes);
  room_for(quantised.steps, rows);
  return bytes;
}

void quantise_rows(Precision precision, std::int64_t rows, std::int64_t channels, const float* x,
                   std::int64_t x_stride, QuantisedRows& quantised) {
  const auto& kernels = detail::quantised_kernels(kernel_isa(), precision);
  const std::int64_t bytes = room_for_rows(precision, rows, channels, quantised);
  kernels.quantise({x, x_stride, rows, row_length(channels) / kernels.lanes,
                    quantised.levels.data(), bytes, quantised.steps.data()});
}

QuantisedLayer::QuantisedLayer(const LinearWeights& weights, Precision precision)
    : precision_(precision),
      isa_(kernel_isa()),
      in_(weights.in),
      out_(weights.out),
      length_(row_length(weights.out)) {
  JETCAL_DCHECK(std::ssize(weights.weight) == in_ * out_);
  const auto& kernels = detail::quantised_kernels(isa_, precision);
  groups_ = num_groups(kernels, in_);
  packed_.assign(static_cast<std::size_t>(length_ * groups_ * group_bytes(kernels)), 0);
  steps_.assign(static_cast<std::size_t>(length_), 0.0F);
  bias_.assign(static_cast<std::size_t>(length_), 0.0F);
  std::ranges::copy(weights.bias, bias_.begin());
  for (std::int64_t row = 0; row < out_; ++row) {
    const auto weight = weights.weight.subspan(row * in_, in_);
    const double scale = weight_scale(precision, weight);
    steps_[row] = scale == 0 ? 0.0F : static_cast<float>(1 / scale);
    if (scale > 0) pack(row, weight, scale);
  }
}

// Puts the weights of one output where GroupProduct wants them.
void QuantisedLayer::pack(std::int64_t row, std::span<const float> weight, double scale) {
  const auto& kernels = detail::quantised_kernels(isa_, precision_);
  const std::int64_t vector_bytes = 4 * kernels.lanes;
  const std::int64_t vector = row / kernels.lanes;
  const std::int64_t first = vector / 2 * 2;  // of its panel
  const std::int64_t width = std::min<std::int64_t>(2, length_ / kernels.lanes - first);
  for (std::int64_t k = 0; k < in_; ++k) {
    const std::int64_t four_bytes = k * kernels.level_bytes / 4;
    const std::int64_t group = four_bytes / kernels.group_vectors;
    const std::int64_t part = four_bytes % kernels.group_vectors;
    const std::int64_t place =
        (first * groups_ + group * width + vector - first) * kernels.group_vectors + part;
    put_weight(precision_, weight[k] * scale,
               packed_.data() + place * vector_bytes + row % kernels.lanes * 4 +
                   k * kernels.level_bytes % 4);
  }
}

// Fills in what both functions ask for.
class QuantisedCall {
 public:
  static void run(const QuantisedLayer& layer, std::int64_t rows, const QuantisedRows& x,
                  const std::int32_t* segments, float* y, std::int64_t y_stride, bool relu) {
    const auto& kernels = detail::quantised_kernels(layer.isa_, layer.precision_);
    kernels.product({x.levels.data(),
                     x.steps.data(),
                     row_bytes(kernels, layer.in_),
                     rows,
                     layer.groups_,
                     layer.packed_.data(),
                     layer.steps_.data(),
                     layer.length_ / kernels.lanes,
                     {layer.bias_.data(), y, y_stride, relu, segments}});
  }
};

void row_layer_forward(const QuantisedLayer& layer, std::int64_t rows, const QuantisedRows& x,
                       float* y, std::int64_t y_stride, Activation activation) {
  QuantisedCall::run(layer, rows, x, nullptr, y, y_stride, activation == Activation::Relu);
}

void row_layer_sum(const QuantisedLayer& layer, std::int64_t rows, const QuantisedRows& x,
                   const std::int32_t* segments, float* y, std::int64_t y_stride) {
  QuantisedCall::run(layer, rows, x, segments, y, y_stride, true);
}

}  // namespace jetcal::kernels
