// SPDX-License-Identifier: Apache-2.0
// Where the jets of a folder of shards come from, told without naming a machine.
#pragma once

#include <string>
#include <vector>

#include "jetcal/data/file_store.h"

namespace jetcal::data {

/// Tells a sample from others, wherever it lies.
struct SampleOrigin {
  /// SHA-256 of the manifest without folders and times: the same for the same files ingested with
  /// the same options in another place.
  std::string manifest;
  std::vector<std::string> inputs;  ///< Names of the input files, without folders, in their order.
};

/// Reads the origin from the manifest of a finished ingest. Throws NotFound where there is none,
/// FailedPrecondition when the ingest has not finished, DataLoss when it cannot be understood.
SampleOrigin read_origin(const FileStore& store);

}  // namespace jetcal::data
