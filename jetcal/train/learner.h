// SPDX-License-Identifier: Apache-2.0
// One training step: forward pass, loss, gradient, update.
#pragma once

#include <cstdint>
#include <memory>
#include <span>

#include "jetcal/edm/features.h"
#include "jetcal/models/model.h"
#include "jetcal/train/gradient_clip.h"
#include "jetcal/train/network_pass.h"
#include "jetcal/train/optimizer.h"
#include "jetcal/train/shared_step.h"
#include "jetcal/train/worker_group.h"

namespace jetcal::train {

/// Tells how a step went.
struct StepOutcome {
  /// Of the batch (of all workers), before the update: mean of weight * |y - prediction|.
  double loss = 0;
  bool stop = false;  ///< One of the workers was asked to stop.
  bool loss_finite = true;
  bool gradient_finite = true;
  bool clipped = false;  ///< The gradient went beyond a bound of ClipOptions.
  bool finite() const noexcept { return loss_finite && gradient_finite; }
};

/// Holds a network in training. The forward and backward pass is a NetworkPass, wrapped in one
/// autograd function; the published loss is libtorch's, those of other heads head_loss.h, the
/// update kernels/optimizer_step.h.
///
/// Not thread-safe; the pass uses parallel_for inside. With one thread the same calls give the same
/// bits.
class Learner {
 public:
  /// `flavor_weight` is that of the flavors' loss; it needs a model with a flavor head. With
  /// `workers`, which must outlive it, steps are made together with the others, on CPUs only:
  /// throws Unimplemented where `pass` is given too.
  Learner(models::Model start, const OptimizerOptions& options, const ClipOptions& clip = {},
          double flavor_weight = 0, workers::Communicator* workers = nullptr,
          const DistributedOptions& distributed = {}, const NetworkPassFactory& pass = {});
  ~Learner();

  /// Makes one update. Where the loss or the gradient is not finite, parameters stay as they were.
  /// `batch` holds this worker's part of it. Throws what Communicator does.
  StepOutcome step(const edm::FeatureBatch& batch, std::uint64_t dropout_seed, double learning_rate,
                   const BatchPart& part = {});

  /// Computes the loss and its gradient [num_parameters] without an update. Running statistics of
  /// batch normalisation move on, as in step().
  double gradient(const edm::FeatureBatch& batch, std::uint64_t dropout_seed,
                  std::span<float> gradient);

  /// The gradient that the last update used, bounded and 0 where parameters are frozen.
  std::span<const float> last_gradient() const noexcept;

  /// The network with its present weights.
  const models::Model& model() const noexcept;
  OptimizerState optimizer_state() const;
  /// Gives everybody the first worker's running statistics, where each has its own.
  void share_buffers(const WorkerGroup& group);
  /// Puts weights, running statistics and the optimizer back. Throws DataLoss when sizes differ.
  void restore(std::span<const float> parameters, std::span<const float> buffers,
               const OptimizerState& optimizer);

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace jetcal::train
