// SPDX-License-Identifier: Apache-2.0
// Applies linear layers for inference to rows that are padded to whole vectors, on one thread.
#pragma once

#include <cstdint>
#include <span>

#include "jetcal/base/cpu.h"
#include "jetcal/kernels/aligned_rows.h"
#include "jetcal/kernels/linear.h"

namespace jetcal::kernels {
namespace detail {
struct RowEnd;
}

/// Returns the length of a row of `channels` floats with its padding: whole vectors of the variant
/// in use. The functions below write the padding, too.
std::int64_t row_length(std::int64_t channels);

/// Names the weights of a linear layer. Shapes: weight [out, in], row-major; bias [out], or empty.
struct LinearWeights {
  std::span<const float> weight, bias;
  std::int64_t in = 0, out = 0;
};

/// Holds a linear layer in the order in which the kernels read it. Valid for the variant in use
/// when it was made.
class RowLayer {
 public:
  RowLayer() = default;
  explicit RowLayer(const LinearWeights& weights);
  /// Joins layers with the same input: each one's output starts where the row_length of those
  /// before ends.
  explicit RowLayer(std::span<const LinearWeights> parts);
  std::int64_t in() const noexcept { return in_; }
  std::int64_t out() const noexcept { return out_; }
  std::int64_t length() const noexcept { return length_; }  ///< row_length(out)

 private:
  friend void row_layer_forward(const RowLayer&, std::int64_t, const float*, std::int64_t, float*,
                                std::int64_t, Activation);
  friend void row_layer_sum(const RowLayer&, std::int64_t, const float*, std::int64_t,
                            const std::int32_t*, float*, std::int64_t);
  void multiply(std::int64_t rows, const float* x, std::int64_t x_stride,
                const detail::RowEnd& end) const;

  Isa isa_ = Isa::Ref;
  std::int64_t in_ = 0, out_ = 0, length_ = 0;
  AlignedRows<float> packed_, bias_;
};

/// Computes y = activation(layer(x)) for `rows` rows, x_stride >= in and y_stride >= length()
/// floats apart. A row's result has the same bits at any place, among any others. Thread-safe;
/// allocates nothing.
void row_layer_forward(const RowLayer& layer, std::int64_t rows, const float* x,
                       std::int64_t x_stride, float* y, std::int64_t y_stride,
                       Activation activation);

/// Adds relu(layer(x_r)) to row segments[r] of y, in ascending order of r: the same bits however
/// the rows are cut into calls. Shapes and promises as above.
void row_layer_sum(const RowLayer& layer, std::int64_t rows, const float* x, std::int64_t x_stride,
                   const std::int32_t* segments, float* y, std::int64_t y_stride);

}  // namespace jetcal::kernels
