// SPDX-License-Identifier: Apache-2.0
// What an attempt of a bound step starts, and what is kept of it.
#pragma once

#include "jetcal/pipeline/detail/run_state.h"

namespace jetcal::pipeline {

/// Command line, environment, service, logs and limits of the next attempt; its callbacks are left
/// to the runner. Chooses a port for the service.
Attempt attempt_of(Instance& instance, const RunOptions& options);

/// The record of an attempt that ended well, without outputs and times of its end.
StepRecord record_of(const std::string& pipeline, const Instance& instance, const std::string& run);

}  // namespace jetcal::pipeline
