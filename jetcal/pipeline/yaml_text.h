// SPDX-License-Identifier: Apache-2.0
// Prints JSON values as YAML, in the order they are in.
#pragma once

#include <string>
#include <vector>

#include "jetcal/pipeline/document.h"

namespace jetcal::pipeline {

/// Block style; text is quoted wherever a reader could take it for something else.
std::string yaml_text(const Json& value);

/// Several documents, parted by "---".
std::string yaml_documents(const std::vector<Json>& documents);

}  // namespace jetcal::pipeline
