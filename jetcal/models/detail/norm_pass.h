// SPDX-License-Identifier: Apache-2.0
// Batch normalisation of a training pass: statistics of the batch, and what backward needs of them.
#pragma once

#include <span>
#include <vector>

#include "jetcal/kernels/batch_norm.h"
#include "jetcal/models/detail/slot_spans.h"

namespace jetcal::models::detail {

/// Normalises rows by the statistics of the batch. Its input stays with the caller.
class NormPass {
 public:
  NormPass(const NormSlot& slot, kernels::Activation activation)
      : slot_(slot),
        activation_(activation),
        mean_(static_cast<std::size_t>(slot.channels)),
        inverse_deviation_(static_cast<std::size_t>(slot.channels)) {}

  /// Normalises z [R, C] to y and moves the running statistics in `buffers`; with empty `buffers`
  /// it repeats what the last forward computed. `shared`, if any, must live until backward.
  void forward(std::span<const float> parameters, std::span<float> buffers,
               std::span<const float> z, std::span<float> y, kernels::SharedSums* shared);

  /// Turns the gradient of y into that of z, in place, and writes those of scale and shift.
  void backward(std::span<const float> parameters, std::span<const float> z, std::span<float> grad,
                std::span<float> grad_parameters) const;

 private:
  NormSlot slot_;
  kernels::Activation activation_;
  std::vector<float> mean_, inverse_deviation_;
  kernels::SharedSums* shared_ = nullptr;  // of the last forward
  std::int64_t all_rows_ = 0;              // likewise
};

}  // namespace jetcal::models::detail
