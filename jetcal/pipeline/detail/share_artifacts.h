// SPDX-License-Identifier: Apache-2.0
// Which artefacts must be on this machine when others are elsewhere.
#pragma once

#include <vector>

#include "jetcal/pipeline/detail/run_state.h"

namespace jetcal::pipeline {

/// Artefacts of earlier steps that a bound instance reads.
std::vector<Output> artifacts_for(const Instance& instance, const std::vector<StepRun>& steps);

/// Artefacts of an instance that nothing reads but people, and what its service reads.
std::vector<Output> results_of(const Pipeline& pipeline, const StepRun& run,
                               const Instance& instance, const std::vector<StepRun>& steps);

}  // namespace jetcal::pipeline
