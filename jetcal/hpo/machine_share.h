// SPDX-License-Identifier: Apache-2.0
// Cores and GPUs of this machine, given to trials of all tuners of a study without overlap.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace jetcal::hpo {

namespace detail {
class TunerLocks;
}

/// What a trial may use.
struct Share {
  std::vector<int> cores;         ///< Empty: any.
  std::vector<std::string> gpus;  ///< Values for CUDA_VISIBLE_DEVICES; empty: none assigned.
};

/// Cores that this process may use, in order.
std::vector<int> usable_cores();
/// GPUs that CUDA_VISIBLE_DEVICES names, or else those of the machine ("0", "1", ...).
std::vector<std::string> visible_gpus();

/// Hands out cores and GPUs; tuners of one study on one machine agree through its lock file, which
/// forgets a tuner when it dies.
class MachineShare {
 public:
  /// `cores` and `gpus` a trial; 0: none assigned. Throws InvalidArgument when the machine has
  /// fewer than one trial needs.
  MachineShare(const std::filesystem::path& lock_file, int cores, int gpus,
               std::vector<std::string> gpu_ids);
  ~MachineShare();
  MachineShare(const MachineShare&) = delete;
  MachineShare& operator=(const MachineShare&) = delete;

  /// Returns nothing when not enough is free now.
  std::optional<Share> take();
  void give_back(const Share& share);

 private:
  std::unique_ptr<detail::TunerLocks> locks_;
  std::vector<int> core_ids_;
  std::vector<std::string> gpu_ids_;
  std::vector<bool> core_used_, gpu_used_;
  int cores_, gpus_;
};

}  // namespace jetcal::hpo
