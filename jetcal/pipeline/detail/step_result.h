// SPDX-License-Identifier: Apache-2.0
// What is told of a step at the end of a run.
#pragma once

#include "jetcal/pipeline/detail/run_state.h"

namespace jetcal::pipeline {

StepResult result_of(const StepRun& run, const Instance& instance, const Store& store,
                     const RunOptions& options);

}  // namespace jetcal::pipeline
