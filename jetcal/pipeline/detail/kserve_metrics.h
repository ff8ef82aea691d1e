// SPDX-License-Identifier: Apache-2.0
// The metrics that KServe hands to an autoscaler: what its webhook refuses in `autoScaling`.
#pragma once

#include <string>
#include <vector>

#include "jetcal/pipeline/document.h"

namespace jetcal::pipeline {

/// Sentences on the `metrics` of a component, beginning with `path`, which names them.
///
/// KEDA takes resources, metrics from outside and those of pods; the other autoscaler of
/// deployments (hpa) takes resources alone.
std::vector<std::string> metric_mistakes(const std::string& path, const Json& metrics, bool keda);

}  // namespace jetcal::pipeline
