// SPDX-License-Identifier: Apache-2.0
// What Kubernetes takes and Kubeflow's webhooks then refuse, found before anything is applied.
#pragma once

#include <cstddef>
#include <string>
#include <utility>
#include <vector>

#include "jetcal/pipeline/document.h"

namespace jetcal::pipeline {

/// One finding: a sentence that names the resource and the field, e.g.
/// "Experiment jetcal: spec.parallelTrialCount must be at most maxTrialCount (12), got 20".
using Finding = std::string;

/// Checks one resource by the rules of its kind; of a kind without rules only apiVersion, kind and
/// name. Katib: Experiment (hpo::katib_mistakes). KServe: InferenceService, ServingRuntime. Also
/// PyTorchJob, TrainJob, TrainingRuntime, ScheduledWorkflow, and that no Secret holds a value.
std::vector<Finding> lint_resource(const Json& resource);

/// Checks what each of several resources may be alone, but not beside the others: ServingRuntimes
/// that KServe could not choose between. Each finding names by its index the resource that comes
/// second.
std::vector<std::pair<std::size_t, Finding>> lint_together(const std::vector<Json>& resources);

}  // namespace jetcal::pipeline
