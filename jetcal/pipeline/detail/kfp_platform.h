// SPDX-License-Identifier: Apache-2.0
// The second document of what kfp compiles: what only Kubernetes knows of a task.
#pragma once

#include <string>
#include <vector>

#include "jetcal/pipeline/graph.h"

namespace jetcal::pipeline {

/// Reads secrets (variables that are handed through) and the time limit of the executor `label`.
/// `platform` may be nullptr. Throws with the place for a time limit that is none.
void read_kfp_platform(const Node* platform, const std::string& label, Step& step,
                       const std::string& source);

/// Where containers see claims, each ending with '/'.
std::vector<std::string> kfp_claim_mounts(const Node* platform);

/// What is left of `path` below the first of `mounts` that it lies on, or "".
std::string path_on_claim(const std::vector<std::string>& mounts, const std::string& path);

}  // namespace jetcal::pipeline
