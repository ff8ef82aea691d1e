// SPDX-License-Identifier: Apache-2.0
// The inputs of a batch on the device, packed so that one copy brings them there.
#pragma once

#include <cstdint>
#include <span>

#include "jetcal/cuda/detail/graph.h"
#include "jetcal/edm/features.h"

namespace jetcal::cuda::detail {

/// Points at the inputs of a batch; arrays of the device.
struct DeviceBatch {
  JetRows rows;
  const float* points = nullptr;     ///< [P, 2]
  const float* particles = nullptr;  ///< [P, 6]
  const float* jets = nullptr;       ///< [J, 8]
  const float* target = nullptr;     ///< [J]
};

/// Holds one batch in page-locked memory and on the device.
class BatchSlot {
 public:
  /// Packs the jets [begin, end) of the features; the slot's last copy must be done. `k`: neighbors
  /// a particle, 0 for a network without edges. The target may be empty. Throws InvalidArgument for
  /// arrays of the wrong size.
  void pack(const edm::FeatureView& features, std::int64_t begin, std::int64_t end,
            std::span<const float> target, std::int64_t k);
  /// Copies what was packed; nothing on the device may still read the slot.
  void copy(Queue& queue);
  const DeviceBatch& batch() const noexcept { return batch_; }

 private:
  PinnedBuffer<unsigned char> host_;
  Buffer<unsigned char> device_;
  std::int64_t bytes_ = 0;
  DeviceBatch batch_;
};

/// Counts the edges of the jets [begin, end): min(k, n - 1) a particle.
std::int64_t count_edges(std::span<const std::int64_t> offsets, std::int64_t begin,
                         std::int64_t end, std::int64_t k) noexcept;

}  // namespace jetcal::cuda::detail
