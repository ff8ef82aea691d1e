// SPDX-License-Identifier: Apache-2.0
// The whole training step on a GPU: parameters, gradients and the optimizer's state stay there.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "jetcal/cuda/device.h"
#include "jetcal/cuda/update_rule.h"
#include "jetcal/models/model.h"

namespace jetcal::cuda {

/// Tells how a step went.
struct StepOutcome {
  double loss = 0;  ///< Of the batch, before the update.
  bool loss_finite = true;
  bool gradient_finite = true;
};

/// Holds what an update rule knows besides the parameters; what a rule does not use is empty.
struct UpdateMoments {
  std::int64_t steps = 0;
  std::vector<float> average, square, slow;
};

/// Trains a network. submit() gives a batch to the device and returns while it works; the copy of
/// one batch runs beside the step of the one before. Work space is allocated while batches grow,
/// not per step. Not thread-safe. The same calls give the same bits on one kind of GPU with one
/// version of cuBLAS.
class TrainingStep {
 public:
  /// Throws Unavailable without a device.
  TrainingStep(const models::Model& start, const UpdateRule& rule,
               Precision precision = Precision::Float32);
  ~TrainingStep();

  /// Starts forward pass, loss (mean of |y - target| 1(|target| < 1)), gradient and update. Where
  /// loss or gradient is not finite, parameters stay as they were. At most two batches are under
  /// way: a third call waits for the first. The batch may be changed after the call.
  void submit(const edm::FeatureBatch& batch, std::uint64_t dropout_seed, double learning_rate);

  /// Returns how the oldest step went that was not asked for yet, and waits for it. Throws
  /// FailedPrecondition when there is none.
  StepOutcome next_outcome();

  /// Waits for all steps and returns the network with its present weights.
  const models::Model& model();
  /// Waits for all steps and returns the optimizer's state.
  UpdateMoments moments();
  /// Puts weights, running statistics and the optimizer back. Throws DataLoss when sizes differ.
  void restore(std::span<const float> parameters, std::span<const float> buffers,
               const UpdateMoments& moments);

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace jetcal::cuda
