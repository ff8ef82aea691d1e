// SPDX-License-Identifier: Apache-2.0
// Starts several workers on this machine, without mpirun or torchrun.
#pragma once

#include <string>
#include <vector>

#include "jetcal/workers/place.h"

namespace jetcal::workers {

/// Returns the place of a job of `count` workers on this machine alone, seen from the one that
/// starts them: its address is the machine's own loop and its port a free one.
Place place_on_this_machine(int count);

/// Runs the program of this process again, `place.workers_to_start` times, with RANK, WORLD_SIZE,
/// LOCAL_RANK, LOCAL_WORLD_SIZE, MASTER_ADDR and MASTER_PORT set, and waits for all.
///
/// SIGINT and SIGTERM are passed on to each. When one fails the others have ten seconds to end by
/// themselves, then they are ended; a worker also ends when this process does. Returns the exit
/// status of the first one that failed (128 + signal where it was killed), or 0. Says on standard
/// error which worker was killed by which signal. Throws ResourceExhausted when no process can be
/// made.
int run_workers(const Place& place, const std::vector<std::string>& arguments);

}  // namespace jetcal::workers
