// SPDX-License-Identifier: Apache-2.0
// What a PipelineSpec says of a container and of how a task runs.
#pragma once

#include <string>

#include "jetcal/pipeline/graph.h"

namespace jetcal::pipeline {

/// Reads command, environment and resources. Requires the ports of the step. Throws with the place.
void read_kfp_container(const Node& container, Step& step, const std::string& source);

/// Reads caching and retries of a task. Throws with the place.
void read_kfp_options(const Node& task, Step& step, const std::string& source);

}  // namespace jetcal::pipeline
