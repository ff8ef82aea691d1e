// SPDX-License-Identifier: Apache-2.0
// Data from outside that lies on an S3 server: fetched once, then kept by its content.
#pragma once

#include <string>
#include <vector>

#include "jetcal/pipeline/binding.h"
#include "jetcal/pipeline/runner.h"

namespace jetcal::pipeline {

/// Brings what `location` names to artifacts/SHA-256/NAME of the store: the object s3://bucket/key;
/// as a folder, all objects below that key where it is none; or, with * and ? in the last
/// component, every object that matches, by name.
///
/// What was fetched before is not asked for again while the server tells the same ETags and sizes.
/// Throws NotFound where nothing has that name, InvalidArgument for a bucket alone, Unavailable
/// when an object changes while it is read, and what store::ObjectStore throws.
std::vector<BoundArtifact> fetch_inputs(const std::string& location, const RunOptions& options,
                                        Store& store, HashCache& hashes);

}  // namespace jetcal::pipeline
