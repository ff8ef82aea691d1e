// SPDX-License-Identifier: Apache-2.0
// Types as a PipelineSpec writes them.
#pragma once

#include <string>

#include "jetcal/pipeline/graph.h"

namespace jetcal::pipeline {

/// The parameterType of a definition. Throws with the place for one that is unknown.
Type read_kfp_type(const Node& definition, const std::string& source);
const char* write_kfp_type(Type type);

/// What the schema in the field `schema` of a definition is; Artifact where it says nothing.
Type read_kfp_schema(const Node& definition, const char* schema = "artifactType");
Json write_kfp_schema(Type type);

/// kfp writes whole numbers with a fraction of 0, and knows no other numbers within lists and
/// structs.
Json read_kfp_value(Type type, Json value);

/// The list of a loop, written as JSON. Throws with the place for anything else.
Json read_kfp_items(const Node& text, const std::string& source);

}  // namespace jetcal::pipeline
