// SPDX-License-Identifier: Apache-2.0
// What the workers of a step tell each other: sums for batch norm, loss, gradients, the wish to
// stop.
#pragma once

#include <array>
#include <cstdint>
#include <span>

#include "jetcal/kernels/shared_sums.h"
#include "jetcal/models/training_pass.h"
#include "jetcal/train/distributed_options.h"
#include "jetcal/train/gradient_buckets.h"
#include "jetcal/workers/communicator.h"

namespace jetcal::train {

/// Says which part of a batch a worker has.
struct BatchPart {
  std::int64_t first_jet = 0;  ///< Number of its first jet in the batch.
  std::int64_t all_jets = 0;   ///< Of all workers; 0: those of this one, which is alone.
  bool stop = false;           ///< This worker was asked to stop.
};

/// Goes through one step after the other with the other workers, in the order of the functions.
class SharedStep final : public kernels::SharedSums {
 public:
  SharedStep(workers::Communicator& workers, std::span<float> gradient,
             const DistributedOptions& options);

  models::BatchShare share(const BatchPart& part) noexcept;
  void add_up(std::span<double> values) override;
  /// Gives this worker's part of the loss: the sum over its jets by the number of all.
  void give_loss(double part_of_loss, bool stop);
  models::GradientsFinished gradients_finished();

  /// Holds what all workers agree on.
  struct Total {
    double loss = 0;
    bool stop = false;
  };
  /// Waits until the gradient is that of the whole batch.
  Total finish();

 private:
  workers::Communicator& workers_;
  bool sync_norm_;
  GradientBuckets buckets_;
  std::array<double, 2> loss_and_stop_{};
  workers::Communicator::Ticket loss_ticket_ = 0;
};

}  // namespace jetcal::train
