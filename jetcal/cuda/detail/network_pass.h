// SPDX-License-Identifier: Apache-2.0
// The forward and backward pass of a whole network on arrays of the device.
#pragma once

#include <cstdint>
#include <memory>

#include "jetcal/cuda/detail/device_batch.h"
#include "jetcal/cuda/detail/network_layout.h"
#include "jetcal/cuda/device.h"

namespace jetcal::cuda::detail {

/// Rows of y and of its gradient are this long; the first column counts.
inline constexpr std::int64_t kOutputPitch = 8;

/// Gives work to the queue and returns at once; memory only grows. Arrays are flat and of the
/// device.
class NetworkPass {
 public:
  virtual ~NetworkPass() = default;
  /// Returns y [J, kOutputPitch], valid until the next forward. Moves the running statistics.
  virtual const float* forward(const float* parameters, float* buffers, const DeviceBatch& batch,
                               std::uint64_t dropout_seed) = 0;
  /// Writes the gradient of every parameter from that of y [J, kOutputPitch] of the last forward,
  /// whose inputs and parameters must be as they were.
  virtual void backward(const float* parameters, const float* grad_y, float* grad_parameters) = 0;
};

std::unique_ptr<NetworkPass> make_network_pass(Queue& queue, const NetworkLayout& layout,
                                               const models::Standardisation& standardisation,
                                               Precision precision);

}  // namespace jetcal::cuda::detail
