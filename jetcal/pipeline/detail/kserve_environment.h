// SPDX-License-Identifier: Apache-2.0
// Variables of containers that KServe's webhooks refuse, or take for their own.
#pragma once

#include <string>
#include <vector>

#include "jetcal/pipeline/document.h"

namespace jetcal::pipeline {

/// The value of a variable of a container; null where it is not set, or not by a value.
const Json& variable_of(const Json& container, const std::string& name);

/// Variables that no container of an InferenceService may set, and that the one of several nodes
/// has from its sizes. Sentences begin with the field.
std::vector<std::string> service_variable_mistakes(const Json& service);

/// The same of a ServingRuntime.
std::vector<std::string> runtime_variable_mistakes(const Json& runtime);

}  // namespace jetcal::pipeline
