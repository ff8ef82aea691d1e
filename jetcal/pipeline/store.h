// SPDX-License-Identifier: Apache-2.0
// Where artefacts and finished steps are kept: a folder, written aside, synced, renamed; and, where
// it is asked for, a place that machines share.
#pragma once

#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "jetcal/pipeline/content_hash.h"
#include "jetcal/pipeline/graph.h"

namespace jetcal::pipeline {

/// What one output of a finished step is.
struct Output {
  Type type = Type::Artifact;
  std::string sha256;   ///< Artefacts: of the content. Values: of their JSON.
  std::string file;     ///< Artefacts: the last component of their path.
  Json value;           ///< Values.
  ContentHash content;  ///< Artefacts: their files.
};

/// All about a finished step, by its key.
struct StepRecord {
  std::string key;
  std::string pipeline, step;
  std::string run;  ///< The run that ran it.
  Json components;  ///< What the key is made of; see step_key.h.
  std::map<std::string, Output> outputs;
  std::string started, finished;  ///< ISO 8601, UTC.
  double seconds = 0;
  int attempts = 1;
  std::string version, commit;  ///< Of the jetcal that ran it.
  /// Where each artefact input came from: a path for data from outside, a key for a step's output.
  Json origins;
};

Json to_json(const StepRecord& record);
/// Throws DataLoss for JSON that is no record.
StepRecord record_from_json(const Json& document);

class RemoteArtifacts;

/// A store is shared by all runs that name its folder, one after the other or at a time.
class Store {
 public:
  /// Makes the folder where it is missing. Throws InvalidArgument where `root` is a file.
  explicit Store(const std::filesystem::path& root);
  ~Store();
  Store(Store&&) noexcept;
  Store& operator=(Store&&) = delete;

  /// From here on artefacts and records are also in `location`, s3://bucket/prefix or a folder:
  /// what is finished here goes there, and what is finished there counts as finished here. Throws
  /// unless the place answers. Without `publish` nothing is written there.
  void use_remote(const std::string& location, bool publish = true);
  bool has_remote() const noexcept { return remote_ != nullptr; }

  const std::filesystem::path& root() const noexcept { return root_; }
  std::filesystem::path work_folder(const std::string& key) const;
  std::filesystem::path run_folder(const std::string& run) const;
  std::filesystem::path artifact_path(const Output& output) const;

  /// The record of a finished step whose artefacts are all here or in the remote place, or nothing.
  /// A step that is finished here alone is published. Throws what the remote place throws.
  std::optional<StepRecord> find(const std::string& key) const;
  /// The record of a finished step, wherever its artefacts are, or nothing. Asks only this folder.
  std::optional<StepRecord> record(const std::string& key) const;
  /// Publishes a step that has just finished here, in place of what the remote place has of it.
  void publish(const std::string& key) const;
  /// Copies artefacts that are not here from the remote place, by way of the folder `scratch`.
  void bring(const std::vector<Output>& outputs, const std::filesystem::path& scratch);
  /// Copies the records that only the remote place has.
  void bring_records();
  /// Where an artefact is: a path, or its name in the remote place.
  std::string place_of(const Output& output) const;
  /// All records, in no order; damaged ones are left out and counted.
  std::vector<StepRecord> records(std::int64_t* damaged = nullptr) const;

  /// Moves `from` (synced, hashed as `output`) to its place. An artefact of this content that is
  /// there stays, and `from` goes.
  void take_in(const std::filesystem::path& from, const Output& output);
  /// Writes the record; from here on the step is finished. Requires its artefacts taken in.
  void finish(const StepRecord& record);
  /// Checks the files of an artefact against their hashes. Throws DataLoss naming the first that
  /// differs.
  void verify(const Output& output) const;

 private:
  std::filesystem::path record_path(const std::string& key) const;
  std::optional<StepRecord> find_here(const std::string& key) const;

  std::filesystem::path root_;
  std::unique_ptr<RemoteArtifacts> remote_;
  bool publishes_ = false;
};

/// Takes the right to write away from a file, or from all files of a folder.
void make_read_only(const std::filesystem::path& path);

/// Writes with fsync of file and folder, so that the name survives a loss of power.
void write_durably(const std::filesystem::path& path, const std::string& text);

/// Now, as ISO 8601 in UTC with milliseconds.
std::string time_now();

}  // namespace jetcal::pipeline
