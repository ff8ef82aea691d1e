// SPDX-License-Identifier: Apache-2.0
// The manifest of a folder of shards: what was ingested, with which options, into which files.
#pragma once

#include <filesystem>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <vector>

#include "jetcal/data/file_store.h"
#include "jetcal/data/ingest.h"

namespace jetcal::data::detail {

/// One input file with the group it was given.
struct InputFile {
  std::string group;  ///< Empty: none.
  std::filesystem::path path;
};

/// Parts `name:pattern`. A text that is a file as it stands has no group, and so has s3://...
InputFile parse_input(const std::string& given);

/// Holds what manifest.json says. Writing it after each file lets a killed ingest resume.
struct Manifest {
  std::string options;  ///< What the result depends on, as canonical JSON.
  /// One element an input; null while it is not finished.
  std::vector<std::optional<IngestedFile>> files;

  bool complete() const noexcept;
  /// Returns the jets of every record batch of a shard but its last.
  std::int64_t batch_jets() const;
};

/// Describes everything in the options and inputs that changes the result.
std::string describe_options(const IngestOptions& options, const std::vector<InputFile>& inputs);

/// Parses a manifest; `name` is for messages. Throws DataLoss when it cannot be understood.
Manifest parse_manifest(const std::string& text, const std::string& name);
/// Reads the manifest of a finished ingest from a store. Throws NotFound where there is none, and
/// FailedPrecondition when the ingest has not finished.
Manifest read_finished_manifest(const FileStore& store);

/// Returns nothing when the folder has no manifest. Throws DataLoss when it cannot be understood.
std::optional<Manifest> load_manifest(const std::filesystem::path& dir);
/// Returns what manifest.json holds.
nlohmann::ordered_json manifest_json(const Manifest& manifest);
/// Writes the manifest completely or not at all.
void save_manifest(const std::filesystem::path& dir, const Manifest& manifest);

/// Removes it; a folder without one is left alone.
void remove_manifest(const std::filesystem::path& dir) noexcept;

/// Sums the finished files.
IngestReport make_report(const Manifest& manifest);

}  // namespace jetcal::data::detail
