// SPDX-License-Identifier: Apache-2.0
// Artefacts and records of finished steps beyond this machine, which several machines share.
#pragma once

#include <sys/types.h>

#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "jetcal/pipeline/store.h"
#include "jetcal/store/object_store.h"

namespace jetcal::pipeline {

/// Keeps artifacts/SHA-256/NAME[/PATH] and, written last, steps/KEY.json in an object store.
///
/// Survives a fork: the child opens connections of its own. All functions throw what the store
/// throws; a stop signal, also one that is blocked and waiting, ends them with Cancelled.
class RemoteArtifacts {
 public:
  /// Opens s3://bucket/prefix or a folder, without asking it.
  explicit RemoteArtifacts(std::string location);
  ~RemoteArtifacts();
  RemoteArtifacts(const RemoteArtifacts&) = delete;
  RemoteArtifacts& operator=(const RemoteArtifacts&) = delete;

  const std::string& location() const noexcept { return location_; }
  /// Throws unless the place answers and accepts the credentials.
  void check() const;
  /// The record of a step, or nothing where there is none that can be read.
  std::optional<StepRecord> record(const std::string& key) const;
  /// Tells whether all files of the artefacts of a record are there, by name and size.
  bool has_artifacts(const StepRecord& record) const;
  /// Uploads the artefacts that are not there, found below `artifacts`, then the record.
  void publish(const StepRecord& record, const std::filesystem::path& artifacts) const;
  /// Writes an artefact to `target`, and checks it by its hash: DataLoss where it differs.
  void fetch(const Output& output, const std::filesystem::path& target) const;
  /// Keys of all records.
  std::vector<std::string> keys() const;
  /// Names an artefact for people.
  std::string name_of(const Output& output) const;

 private:
  const store::ObjectStore& place() const;
  bool has(const Output& output) const;

  const std::string location_;
  mutable std::unique_ptr<store::ObjectStore> place_;
  mutable pid_t owner_ = -1;
};

}  // namespace jetcal::pipeline
