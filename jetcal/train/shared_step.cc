// SPDX-License-Identifier: Apache-2.0
#include "jetcal/train/shared_step.h"

namespace jetcal::train {

SharedStep::SharedStep(workers::Communicator& workers, std::span<float> gradient,
                       const DistributedOptions& options)
    : workers_(workers),
      sync_norm_(options.sync_norm),
      buckets_(gradient, options.bucket_kilobytes * 1024,
               {[&workers](std::span<float> values) { return workers.start_sum(values); },
                [&workers](GradientBuckets::Ticket ticket) { workers.wait(ticket); }}) {}

models::BatchShare SharedStep::share(const BatchPart& part) noexcept {
  return {part.first_jet, sync_norm_ ? this : nullptr};
}

void SharedStep::add_up(std::span<double> values) { workers_.sum(values); }

// Under way during backward, so that it costs no waiting.
void SharedStep::give_loss(double part_of_loss, bool stop) {
  loss_and_stop_ = {part_of_loss, stop ? 1.0 : 0.0};
  loss_ticket_ = workers_.start_sum(std::span<double>(loss_and_stop_));
}

models::GradientsFinished SharedStep::gradients_finished() {
  return [this](std::int64_t begin, std::int64_t end) { buckets_.finished(begin, end); };
}

SharedStep::Total SharedStep::finish() {
  workers_.wait(loss_ticket_);
  buckets_.wait();
  return {loss_and_stop_[0], loss_and_stop_[1] > 0};
}

}  // namespace jetcal::train
