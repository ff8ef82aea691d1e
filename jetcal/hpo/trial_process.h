// SPDX-License-Identifier: Apache-2.0
// The processes of one trial, none of which outlives the tuner.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <vector>

namespace jetcal::hpo {

/// What to start.
struct ProcessSpec {
  std::vector<std::string> arguments;              ///< The program first, sought in PATH.
  std::map<std::string, std::string> environment;  ///< Beside this process's own.
  std::filesystem::path output, errors;            ///< Appended to.
  std::vector<int> cores;                          ///< Empty: any.
  std::filesystem::path lock_file;  ///< Held while anything of it lives; may be empty.
  std::int64_t lock_byte = 0;
  /// Gets `status_key` when the program ends by itself with status 0, whether or not this process
  /// still lives; may be empty.
  std::filesystem::path status_file;
  std::string status_key;
};

/// A program with all it starts. A process between it and this one adopts what it leaves behind and
/// kills all of it when the program ends, when it is told to, and when this process dies, even by
/// kill -9. To be started from the main thread.
class TrialProcess {
 public:
  /// Throws ResourceExhausted when no process can be made. A program that cannot be run ends with
  /// status 127 and says so in `errors`.
  static TrialProcess start(const ProcessSpec& spec);
  TrialProcess() = default;  ///< None.
  /// Kills what still runs.
  ~TrialProcess();
  TrialProcess(TrialProcess&& other) noexcept;
  TrialProcess& operator=(TrialProcess&& other) noexcept;
  TrialProcess(const TrialProcess&) = delete;
  TrialProcess& operator=(const TrialProcess&) = delete;

  /// Returns the program's exit status, 128 + n after signal n, or nothing while it runs. Once it
  /// has returned a status, nothing of the program is left.
  std::optional<int> poll();
  /// Sends SIGTERM, so that the program can write a checkpoint.
  void ask_to_end() const;
  /// Kills all of it; poll() tells when it is gone.
  void kill() const;
  /// Process that keeps the program; its group is theirs.
  pid_t keeper() const noexcept { return keeper_; }

 private:
  explicit TrialProcess(pid_t keeper) : keeper_(keeper) {}
  pid_t keeper_ = 0;
};

/// Returns the memory in use by each process of `roots` and all that it started, in bytes.
std::vector<std::int64_t> memory_of_trees(const std::vector<pid_t>& roots);

}  // namespace jetcal::hpo
