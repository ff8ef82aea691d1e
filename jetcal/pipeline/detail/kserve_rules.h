// SPDX-License-Identifier: Apache-2.0
// What KServe's webhooks refuse in InferenceServices and ServingRuntimes that the schemas take.
#pragma once

#include <cstddef>
#include <string>
#include <utility>
#include <vector>

#include "jetcal/pipeline/document.h"

namespace jetcal::pipeline {

/// A sentence for each mistake, beginning with the field. Beyond the webhook: what it lets pass and
/// the service then does not have, as scaling to zero in the mode Standard.
std::vector<std::string> inference_service_mistakes(const Json& service);

/// Tells a ServingRuntime, of a namespace or of the cluster, from other kinds.
bool is_serving_runtime(const Json& resource);
std::vector<std::string> serving_runtime_mistakes(const Json& runtime);

/// Runtimes of one namespace that offer the same format with the same priority: KServe refuses the
/// second one, whose place comes with the sentence.
std::vector<std::pair<std::size_t, std::string>> serving_runtime_conflicts(
    const std::vector<Json>& resources);

}  // namespace jetcal::pipeline
