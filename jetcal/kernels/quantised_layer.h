// SPDX-License-Identifier: Apache-2.0
// Linear layers for inference in fewer bits than float: more products in a vector.
#pragma once

#include <cstdint>

#include "jetcal/kernels/precision.h"
#include "jetcal/kernels/row_layer.h"

namespace jetcal::kernels {

/// Holds rows in a precision: value = level * step of its row. Integer levels have no sign; a row's
/// bound gets the highest one. Bfloat16 has the step 1.
struct QuantisedRows {
  AlignedRows<std::uint8_t> levels;
  AlignedRows<float> steps;
};

/// Makes room for rows and returns the bytes between two rows of levels. What the rows hold is
/// unspecified.
std::int64_t room_for_rows(Precision precision, std::int64_t rows, std::int64_t channels,
                           QuantisedRows& quantised);

/// Quantises relu(x) row by row, the bound being the row's largest value. Shapes: x [rows, channels
/// with padding to row_length], x_stride apart. A row with NaN gets the step NaN.
void quantise_rows(Precision precision, std::int64_t rows, std::int64_t channels, const float* x,
                   std::int64_t x_stride, QuantisedRows& quantised);

/// Holds a linear layer whose integer weights have a scale for every output, small enough that no
/// sum of products overflows. Valid for the variant in use when it was made.
class QuantisedLayer {
 public:
  QuantisedLayer(const LinearWeights& weights, Precision precision);
  std::int64_t in() const noexcept { return in_; }
  std::int64_t out() const noexcept { return out_; }
  std::int64_t length() const noexcept { return length_; }  ///< row_length(out)
  Precision precision() const noexcept { return precision_; }

 private:
  friend class QuantisedCall;
  void pack(std::int64_t row, std::span<const float> weight, double scale);

  Precision precision_;
  Isa isa_;
  std::int64_t in_, out_, length_, groups_;
  AlignedRows<std::uint8_t> packed_;
  AlignedRows<float> steps_, bias_;
};

/// The functions of row_layer.h on quantised rows, with the same promises.
void row_layer_forward(const QuantisedLayer& layer, std::int64_t rows, const QuantisedRows& x,
                       float* y, std::int64_t y_stride, Activation activation);
void row_layer_sum(const QuantisedLayer& layer, std::int64_t rows, const QuantisedRows& x,
                   const std::int32_t* segments, float* y, std::int64_t y_stride);

}  // namespace jetcal::kernels
