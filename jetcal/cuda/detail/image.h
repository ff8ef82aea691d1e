// SPDX-License-Identifier: Apache-2.0
// The weights as the products read them: padded to the device's widths, the first edge layer of
// every block parted into its factors. An image of the flat parameters, made anew every step.
#pragma once

#include <cstdint>
#include <vector>

#include "jetcal/cuda/detail/element.h"
#include "jetcal/cuda/detail/queue.h"

namespace jetcal::cuda::detail {

/// Places rows * columns numbers of the flat parameters in the image.
///
/// With `second` 0 they are copied. Otherwise a flat row is [W1 W2], 2 * columns long, and the
/// image gets W1 - W2, and W2 from `second` elements later on.
struct ImageCopy {
  std::int64_t flat = 0, image = 0;
  std::int64_t rows = 0, columns = 0;
  std::int64_t flat_pitch = 0, image_pitch = 0;
  std::int64_t second = 0;
};

/// Keeps the list of copies on the device.
class Image {
 public:
  Image(Queue& queue, const std::vector<ImageCopy>& copies, std::int64_t size, bool with_bf16);

  std::int64_t size() const noexcept { return size_; }
  const float* weights() const noexcept { return weights_.data(); }
  const Bf16* weights_bf16() const noexcept { return weights_bf16_.data(); }
  /// Products write the gradients of the image here; padding may hold anything finite.
  float* gradient() const noexcept { return gradient_.data(); }

  void pack(Queue& queue, const float* parameters);
  /// Writes the gradients of the flat parameters that the image holds.
  void unpack_gradient(Queue& queue, float* grad_parameters) const;

 private:
  std::int64_t size_, num_copies_ = 0, largest_ = 0;
  Buffer<ImageCopy> copies_;
  Buffer<float> weights_, gradient_;
  Buffer<Bf16> weights_bf16_;
};

/// Rounds floats to bfloat16.
void convert(Queue& queue, const float* from, std::int64_t size, Bf16* to);

/// total[i] = sum of parts[slot * size + i] over the slots, in order.
void add_slots(Queue& queue, const float* parts, std::int64_t slots, std::int64_t size,
               float* total);

}  // namespace jetcal::cuda::detail
