// SPDX-License-Identifier: Apache-2.0
// Reads what kfp compiles: PipelineSpec 2.1.0 with container components.
#pragma once

#include <string>
#include <vector>

#include "jetcal/pipeline/graph.h"

namespace jetcal::pipeline {

/// Tells whether a document is a PipelineSpec.
bool is_kfp(const Node& document) noexcept;

/// Reads a PipelineSpec, and the platform document behind it where there is one, into a graph.
///
/// Conditions (dsl.If), loops over parameters (dsl.ParallelFor) and importers of files are read;
/// Python function components and exit handlers are refused by name, because they need a container
/// that this machine may not have. Secrets become environment variables that are handed
/// through. Throws InvalidArgument with line and column. The graph is not checked yet.
Pipeline read_kfp(const std::vector<Node>& documents, const std::string& source,
                  const std::string& folder);

}  // namespace jetcal::pipeline
