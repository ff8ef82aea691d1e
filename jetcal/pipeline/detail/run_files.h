// SPDX-License-Identifier: Apache-2.0
// A run's name and lock, and the environment of its steps.
#pragma once

#include "jetcal/pipeline/binding.h"
#include "jetcal/pipeline/store.h"

namespace jetcal::pipeline {

/// Makes the folder of a new run and returns its id: the parameter `network`, or the pipeline's
/// name, with six random hex digits.
std::string new_run_id(const Pipeline& pipeline, const std::map<std::string, Json>& parameters,
                       const Store& store);

/// Holds a run for this process; the system lets go of it when the process dies, however it does.
class RunLock {
 public:
  /// Throws FailedPrecondition when another process holds it.
  explicit RunLock(const std::filesystem::path& path);
  ~RunLock();
  RunLock(const RunLock&) = delete;
  RunLock& operator=(const RunLock&) = delete;

 private:
  int file_;
};

/// Tells whether a process holds the lock.
bool is_locked(const std::filesystem::path& path);

/// NAME=VALUE for a step: what every program needs of this process's environment (PATH, HOME,
/// locale, library paths, JETCAL_*), what the step passes through, and what it declares.
std::vector<std::string> step_environment(const Binding& binding, const std::string& key);

}  // namespace jetcal::pipeline
