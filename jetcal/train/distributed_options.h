// SPDX-License-Identifier: Apache-2.0
// What a run on several workers is told: section `distributed` of the configuration.
#pragma once

#include <cstdint>

#include "jetcal/base/config.h"
#include "jetcal/workers/communicator.h"

namespace jetcal::train {

struct DistributedOptions {
  std::int64_t workers =
      1;  ///< To start on this machine; others are started by mpirun and the like.
  workers::Backend backend = workers::Backend::Auto;
  /// Gradients are added up in buckets of this size, each as soon as backward has finished it.
  std::int64_t bucket_kilobytes = 256;
  bool sync_norm = true;        ///< Statistics of batch norm are those of the whole batch.
  double timeout_seconds = 10;  ///< Silence after which a worker is taken for dead.
  double start_seconds = 300;   ///< How long workers wait for each other at the start.

  workers::CommunicatorOptions communicator() const;
};

/// Reads the section. Throws InvalidArgument naming the field.
DistributedOptions read_distributed_options(const Config& config);
/// Throws InvalidArgument naming the first field that is out of range.
void validate(const DistributedOptions& options);

}  // namespace jetcal::train
