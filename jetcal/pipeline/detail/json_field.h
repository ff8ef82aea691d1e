// SPDX-License-Identifier: Apache-2.0
// Finds values of a JSON document by dotted names.
#pragma once

#include <string>

#include "jetcal/pipeline/document.h"

namespace jetcal::pipeline {

/// The value at e.g. "best.0.loss", where numbers count entries of lists; nullptr where it leads
/// nowhere.
const Json* find_field(const Json& document, const std::string& dotted);

/// The same with null where it leads nowhere.
const Json& field_at(const Json& document, const std::string& dotted);

/// Text as it is, any other value as JSON.
std::string text_of(const Json& value);

}  // namespace jetcal::pipeline
