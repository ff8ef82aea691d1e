// SPDX-License-Identifier: Apache-2.0
// Runs of pipelines as their journals tell them, kept as long as their files do not change.
#pragma once

#include <filesystem>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "jetcal/pipeline/run_history.h"

namespace jetcal::board {

using Json = pipeline::Json;

/// One step, or one item of it, in the last go of a run.
struct StepStory {
  std::string name;  ///< "train", "train[2]".
  std::string step;
  int item = -1;
  std::string state;    ///< As the journal has it; "cut" where a kill ended the run meanwhile.
  std::string started;  ///< ISO 8601; "" where it did not run.
  std::string changed;  ///< When it came to its state.
  Json entry;           ///< Its last line of the journal.
};

/// A run, its steps in the order in which they came up.
struct RunStory {
  pipeline::RunSummary summary;
  std::string begun;         ///< Its last go, ISO 8601.
  std::string ended;         ///< "" while it runs, and of one that was killed.
  std::int64_t process = 0;  ///< Of the last go.
  int goes = 0;              ///< Started and resumed.
  std::vector<StepStory> steps;
  Json document;  ///< run.json

  /// nullptr where no step has this name.
  const StepStory* find(const std::string& name) const noexcept;
};

/// Reads runs. Thread-safe.
class RunShelf {
 public:
  using Shared = std::shared_ptr<const RunStory>;  // shared by the shelf and the answers in work

  /// All runs of a pipeline folder, newest first.
  std::vector<Shared> runs(const std::filesystem::path& root);
  /// One run by its whole id. Throws NotFound.
  Shared run(const std::filesystem::path& root, const std::string& id);

 private:
  struct Kept {
    std::string stamp;
    Shared story;
  };
  std::mutex mutex_;
  std::map<std::string, Kept> kept_;  // by folder of the run
};

/// What changes when a file does: size and time, or "" where there is none.
std::string file_stamp(const std::filesystem::path& path);

}  // namespace jetcal::board
