// SPDX-License-Identifier: Apache-2.0
// The forward pass of a folded network on arrays of the device.
#pragma once

#include <memory>

#include "jetcal/cuda/detail/device_batch.h"
#include "jetcal/cuda/device.h"
#include "jetcal/models/folded_model.h"

namespace jetcal::cuda::detail {

/// Holds the weights; they do not change.
class FoldedWeights {
 public:
  virtual ~FoldedWeights() = default;
};

/// Runs batches with its own work space, which only grows.
class FoldedPass {
 public:
  virtual ~FoldedPass() = default;
  /// Gives the work to the queue and returns y [J], valid until the next forward.
  virtual const float* forward(const DeviceBatch& batch) = 0;
};

/// The queue must outlive both, the weights the passes made for them.
std::unique_ptr<FoldedWeights> make_folded_weights(Queue& queue, const models::FoldedModel& model,
                                                   Precision precision);
std::unique_ptr<FoldedPass> make_folded_pass(Queue& queue, const FoldedWeights& weights);

}  // namespace jetcal::cuda::detail
