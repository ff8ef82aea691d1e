// SPDX-License-Identifier: Apache-2.0
// How `jetcal train` becomes one of several workers, or starts them.
#pragma once

#include <functional>
#include <memory>
#include <nlohmann/json.hpp>

#include "jetcal/train/distributed_options.h"
#include "jetcal/workers/communicator.h"
#include "jetcal/workers/place.h"

namespace jetcal::cli {

/// Finds the place of this process: what the environment says, or the first of
/// `options.workers` that have to be started on this machine. Throws InvalidArgument where the two
/// contradict each other.
workers::Place place_of_this_process(const train::DistributedOptions& options);

/// Shares the cores of the machine between its workers; for a process that was not told a number of
/// threads.
void share_threads(const workers::Place& place);

/// Runs `work` as one worker, with a connection to the others (nullptr for one that is alone), or
/// starts the workers that this process stands for and returns their exit status. An error of
/// `work` is told to the others; those that were told do not report it again.
int run_as_worker(const workers::Place& place, const train::DistributedOptions& options,
                  const std::function<int(workers::Communicator*)>& work);

/// Returns what the result of a run says about its workers.
nlohmann::ordered_json report(const workers::Communicator& workers);

}  // namespace jetcal::cli
