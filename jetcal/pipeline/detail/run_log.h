// SPDX-License-Identifier: Apache-2.0
// The folder of a run: what it was asked for, what happened, what it made.
#pragma once

#include <optional>
#include <string>

#include "jetcal/pipeline/detail/run_files.h"
#include "jetcal/pipeline/detail/run_state.h"
#include "jetcal/pipeline/journal.h"

namespace jetcal::pipeline {

/// Writes runs/ID, and tells the caller of the run the same. A dry run has no folder.
class RunLog {
 public:
  RunLog(const Pipeline& pipeline, const RunOptions& options, const Store& store)
      : pipeline_(pipeline), options_(options), store_(store) {}

  /// Makes the folder of a new run, or takes that of the run to go on with; holds its lock. Throws
  /// NotFound where there is no such run, and what RunLock throws.
  void open(const std::map<std::string, Json>& parameters);
  /// Its name; "" of a dry run.
  const std::string& id() const noexcept { return id_; }

  void tell(const Json& entry);
  void tell_step(const StepRun& run, const Instance& instance, const char* state);
  /// RUN/artifacts/STEP/OUTPUT leads people to what the run made.
  void link_outputs(const StepRun& run, const Instance& instance) const;

 private:
  void write_request(const std::map<std::string, Json>& parameters) const;

  const Pipeline& pipeline_;
  const RunOptions& options_;
  const Store& store_;
  std::string id_;
  std::optional<RunLock> lock_;
  std::optional<Journal> journal_;
};

}  // namespace jetcal::pipeline
