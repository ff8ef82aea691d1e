// SPDX-License-Identifier: Apache-2.0
// The workers of a training run, of which this process is one.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "jetcal/train/batch_loader.h"
#include "jetcal/workers/communicator.h"

namespace jetcal::train {

/// Asks a question of all workers; alone, the answer is one's own and costs nothing.
class WorkerGroup {
 public:
  WorkerGroup() = default;
  explicit WorkerGroup(workers::Communicator* workers) : workers_(workers) {}

  bool alone() const noexcept { return workers_ == nullptr; }
  /// The first one writes the files.
  bool is_first() const noexcept { return alone() || workers_->rank() == 0; }
  workers::Communicator* communicator() const noexcept { return workers_; }

  /// Which part of a batch is this worker's.
  WorkerSlice slice() const noexcept {
    return alone() ? WorkerSlice{} : WorkerSlice{workers_->rank(), workers_->world()};
  }
  void sum(std::span<double> values) const {
    if (!alone()) workers_->sum(values);
  }
  bool any(bool mine) const {
    double count = mine ? 1 : 0;
    sum({&count, 1});
    return count > 0;
  }
  /// Gives everybody what the first one has.
  void broadcast(std::string& bytes) const {
    if (!alone()) workers_->broadcast(bytes);
  }
  void broadcast(std::vector<float>& values) const;

 private:
  workers::Communicator* workers_ = nullptr;
};

}  // namespace jetcal::train
