// SPDX-License-Identifier: Apache-2.0
// Runs one attempt of a step in a process of its own, which outlives a killed runner just long
// enough to end the step and to keep what had finished.
#pragma once

#include <sys/types.h>

#include <filesystem>
#include <functional>
#include <string>
#include <vector>

#include "jetcal/pipeline/document.h"

namespace jetcal::pipeline {

/// One attempt: what to start and where.
struct Attempt {
  std::vector<std::string> command;
  std::vector<std::string> environment;  ///< All of it, NAME=VALUE.
  std::filesystem::path folder;          ///< Where the command runs.
  std::filesystem::path log;             ///< Standard error, and standard output too without:
  std::filesystem::path standard_output;
  std::filesystem::path lock;        ///< Held while anything of the attempt lives.
  double time_limit = 0;             ///< Seconds; 0: none.
  double grace = 10;                 ///< Seconds between SIGTERM and SIGKILL.
  std::vector<std::string> service;  ///< Runs beside the command; empty: none.
  std::filesystem::path service_log;
  std::string ready_path;
  int port = 0;
  double start_limit = 120;
  /// Called under the lock before anything starts; true when there is nothing to do any more.
  std::function<bool()> is_done;
  /// Called under the lock after the command ended with status 0. What it throws fails the attempt.
  std::function<void()> keep;
};

/// A running attempt, seen from the runner.
struct Warden {
  pid_t process = -1;
  int pipe = -1;  ///< One JSON document comes from it, then its end.
  std::string received;
};

/// Starts the attempt. Throws ResourceExhausted when no process can be made.
///
/// Its document says {"state": "finished" | "already" | "failed" | "cancelled", "message",
/// "status", "seconds"}. Requires a process with one thread. When the runner dies, or on SIGTERM,
/// the step and everything that it started gets SIGTERM, and SIGKILL after the grace; what ended
/// with status 0 before is kept.
Warden start_attempt(const Attempt& attempt);

/// Ends every process that lost its parent and came to this one (a subreaper), but those of
/// `wardens`. Call it when a warden was killed.
void end_orphans(const std::vector<pid_t>& wardens);

/// A TCP port that nobody listens on now.
int free_port();

}  // namespace jetcal::pipeline
