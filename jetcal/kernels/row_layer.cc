// SPDX-License-Identifier: Apache-2.0
#include "jetcal/kernels/row_layer.h"

#include <algorithm>

#include "jetcal/base/error.h"
#include "jetcal/kernels/detail/dispatch.h"
#include "jetcal/kernels/detail/row_layer_table.h"
#include "jetcal/kernels/isa.h"

namespace jetcal::kernels {
namespace detail {

const RowLayerKernels& row_layer_kernels(Isa isa) {
  return pick(isa, kRowLayerRef, kRowLayerAvx2, kRowLayerAvx512);
}

}  // namespace detail

namespace {

std::int64_t whole_vectors(std::int64_t lanes, std::int64_t channels) {
  return (channels + lanes - 1) / lanes * lanes;
}

// Writes a weight's place in the panels.
class PanelWriter {
 public:
  PanelWriter(std::int64_t lanes, std::int64_t in, std::int64_t length, float* packed)
      : lanes_(lanes), in_(in), packed_(packed) {
    for (std::int64_t vector = 0; vector < length / lanes;) {
      const std::int64_t width = detail::panel_vectors(length / lanes - vector);
      for (std::int64_t v = 0; v < width; ++v) panels_.push_back({vector, width});
      vector += width;
    }
  }
  float& at(std::int64_t k, std::int64_t column) const {
    const Panel& panel = panels_[column / lanes_];
    const std::int64_t first = panel.vector * lanes_;
    return packed_[first * in_ + k * panel.width * lanes_ + column - first];
  }

 private:
  struct Panel {
    std::int64_t vector, width;
  };
  std::int64_t lanes_, in_;
  float* packed_;
  std::vector<Panel> panels_;  // of every vector
};

}  // namespace

std::int64_t row_length(std::int64_t channels) {
  return whole_vectors(detail::row_layer_kernels(kernel_isa()).lanes, channels);
}

RowLayer::RowLayer(const LinearWeights& weights) : RowLayer(std::span(&weights, 1)) {}

RowLayer::RowLayer(std::span<const LinearWeights> parts)
    : isa_(kernel_isa()), in_(parts.front().in) {
  const std::int64_t lanes = detail::row_layer_kernels(isa_).lanes;
  for (const LinearWeights& part : parts) {
    out_ = length_ + part.out;
    length_ += whole_vectors(lanes, part.out);
  }
  packed_.assign(static_cast<std::size_t>(in_ * length_), 0.0F);
  bias_.assign(static_cast<std::size_t>(length_), 0.0F);
  const PanelWriter writer(lanes, in_, length_, packed_.data());
  std::int64_t first = 0;
  for (const LinearWeights& part : parts) {
    JETCAL_DCHECK(part.in == in_ && std::ssize(part.weight) == part.in * part.out);
    JETCAL_DCHECK(part.bias.empty() || std::ssize(part.bias) == part.out);
    for (std::int64_t row = 0; row < part.out; ++row) {
      for (std::int64_t k = 0; k < in_; ++k) {
        writer.at(k, first + row) = part.weight[row * in_ + k];
      }
    }
    std::ranges::copy(part.bias, bias_.begin() + first);
    first += whole_vectors(lanes, part.out);
  }
}

void RowLayer::multiply(std::int64_t rows, const float* x, std::int64_t x_stride,
                        const detail::RowEnd& end) const {
  JETCAL_DCHECK(x_stride >= in_ && end.y_stride >= length_);
  const auto& kernels = detail::row_layer_kernels(isa_);
  kernels.product({x, x_stride, rows, in_, packed_.data(), length_ / kernels.lanes, end});
}

void row_layer_forward(const RowLayer& layer, std::int64_t rows, const float* x,
                       std::int64_t x_stride, float* y, std::int64_t y_stride,
                       Activation activation) {
  layer.multiply(rows, x, x_stride,
                 {layer.bias_.data(), y, y_stride, activation == Activation::Relu, nullptr});
}

void row_layer_sum(const RowLayer& layer, std::int64_t rows, const float* x, std::int64_t x_stride,
                   const std::int32_t* segments, float* y, std::int64_t y_stride) {
  layer.multiply(rows, x, x_stride, {layer.bias_.data(), y, y_stride, true, segments});
}

}  // namespace jetcal::kernels
