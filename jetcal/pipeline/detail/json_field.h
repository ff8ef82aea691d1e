// SPDX-License-Identifier: Apache-2.0
// Finds values of a JSON document by dotted names.
#pragma once

#include <string>

#include "jetcal/pipeline/document.h"

namespace jetcal::pipeline {

/// The value at e.g. "best.0.loss", where numbers count entries of lists; nullptr where it leads
/// nowhere.
const Json* find_field(const Json& document, const std::string& dotted);

}  // namespace jetcal::pipeline
