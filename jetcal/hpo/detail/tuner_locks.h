// SPDX-License-Identifier: Apache-2.0
// Who is alive, as the kernel knows it: locks on single bytes of a file, which end with their
// holder.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>

namespace jetcal::hpo::detail {

/// Byte ranges of the file STUDY-locks: a tuner holds the byte of its id, the processes of a trial
/// that of its number, whoever uses a core or a GPU of this machine that of its index.
inline constexpr std::int64_t kTunerBytes = 0;
inline constexpr std::int64_t kTrialBytes = std::int64_t{1} << 40;
inline constexpr std::int64_t kCoreBytes = std::int64_t{2} << 40;
inline constexpr std::int64_t kGpuBytes = std::int64_t{3} << 40;

/// One open lock file. The kernel drops its locks when the last process that has it open ends, by
/// whatever cause: nothing stale is left and no clock is asked.
class TunerLocks {
 public:
  /// Makes the file where it is not there. `inherited`: programs started by this process keep it.
  explicit TunerLocks(const std::filesystem::path& path, bool inherited = false);
  ~TunerLocks();
  TunerLocks(const TunerLocks&) = delete;
  TunerLocks& operator=(const TunerLocks&) = delete;

  /// Takes a byte; false when another open file has it.
  bool take(std::int64_t byte) const noexcept;
  /// The same, waiting for it.
  bool wait_for(std::int64_t byte) const noexcept;
  void give_back(std::int64_t byte) const noexcept;
  /// Tells whether another open file has it.
  bool taken(std::int64_t byte) const noexcept;

 private:
  int file_ = -1;
};

/// Names the running kernel: ids and locks of another one mean nothing here.
std::string boot_id();

}  // namespace jetcal::hpo::detail
