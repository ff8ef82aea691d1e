// SPDX-License-Identifier: Apache-2.0
#include "jetcal/hpo/machine_share.h"

#include <sched.h>

#include <algorithm>
#include <cstdlib>
#include <sstream>
#include <utility>

#include "jetcal/base/error.h"
#include "jetcal/base/files.h"
#include "jetcal/hpo/detail/tuner_locks.h"

namespace jetcal::hpo {

std::vector<int> usable_cores() {
  std::vector<int> cores;
  cpu_set_t set;
  CPU_ZERO(&set);
  if (::sched_getaffinity(0, sizeof(set), &set) != 0) return {0};
  for (int core = 0; core < CPU_SETSIZE; ++core) {
    if (CPU_ISSET(static_cast<std::size_t>(core), &set)) cores.push_back(core);
  }
  return cores;
}

std::vector<std::string> visible_gpus() {
  std::vector<std::string> gpus;
  if (const char* const visible = std::getenv("CUDA_VISIBLE_DEVICES")) {
    std::stringstream list(visible);
    for (std::string gpu; std::getline(list, gpu, ',');) {
      if (!gpu.empty() && gpu != "-1") gpus.push_back(gpu);
    }
    return gpus;
  }
  for (int i = 0; std::filesystem::exists("/dev/nvidia" + std::to_string(i)); ++i)
    gpus.push_back(std::to_string(i));
  return gpus;
}

MachineShare::MachineShare(const std::filesystem::path& lock_file, int cores, int gpus,
                           std::vector<std::string> gpu_ids)
    : locks_(std::make_unique<detail::TunerLocks>(lock_file)),
      core_ids_(usable_cores()),
      gpu_ids_(gpu_ids.empty() && gpus > 0 ? visible_gpus() : std::move(gpu_ids)),
      core_used_(core_ids_.size(), false),
      gpu_used_(gpu_ids_.size(), false),
      cores_(cores),
      gpus_(gpus) {
  if (cores < 0 || gpus < 0)
    fail(ErrorCode::InvalidArgument, "run.cores and run.gpus must not be negative");
  if (static_cast<std::size_t>(cores) > core_ids_.size()) {
    fail(ErrorCode::InvalidArgument, "run.cores asks for ", cores, " cores a trial, there are ",
         core_ids_.size());
  }
  if (static_cast<std::size_t>(gpus) > gpu_ids_.size()) {
    fail(ErrorCode::InvalidArgument, "run.gpus asks for ", gpus, " GPUs a trial, there are ",
         gpu_ids_.size());
  }
}

MachineShare::~MachineShare() = default;

namespace {

// Takes `count` indices whose bytes are free; none when there are not enough.
std::vector<std::size_t> take_indices(const detail::TunerLocks& locks, std::vector<bool>& used,
                                      int count, const std::vector<std::int64_t>& bytes) {
  std::vector<std::size_t> taken;
  for (std::size_t i = 0; i < used.size() && std::ssize(taken) < count; ++i) {
    if (used[i] || !locks.take(bytes[i])) continue;
    used[i] = true;
    taken.push_back(i);
  }
  if (std::ssize(taken) == count) return taken;
  for (const std::size_t i : taken) {
    used[i] = false;
    locks.give_back(bytes[i]);
  }
  return {};
}

std::vector<std::int64_t> core_bytes(const std::vector<int>& cores) {
  std::vector<std::int64_t> bytes;
  bytes.reserve(cores.size());
  for (const int core : cores) bytes.push_back(detail::kCoreBytes + core);
  return bytes;
}

// By name: another tuner may see other GPUs under the same index.
std::int64_t gpu_byte(const std::string& gpu) {
  return detail::kGpuBytes + static_cast<std::int64_t>(hash_bytes(gpu) & 0xFFFFFFFFU);
}

std::vector<std::int64_t> gpu_bytes(const std::vector<std::string>& gpus) {
  std::vector<std::int64_t> bytes;
  bytes.reserve(gpus.size());
  for (const std::string& gpu : gpus) bytes.push_back(gpu_byte(gpu));
  return bytes;
}

}  // namespace

std::optional<Share> MachineShare::take() {
  Share share;
  const auto cores = take_indices(*locks_, core_used_, cores_, core_bytes(core_ids_));
  if (std::ssize(cores) < cores_) return std::nullopt;
  for (const std::size_t i : cores) share.cores.push_back(core_ids_[i]);
  const auto gpus = take_indices(*locks_, gpu_used_, gpus_, gpu_bytes(gpu_ids_));
  for (const std::size_t i : gpus) share.gpus.push_back(gpu_ids_[i]);
  if (std::ssize(gpus) == gpus_) return share;
  give_back(share);
  return std::nullopt;
}

void MachineShare::give_back(const Share& share) {
  for (std::size_t i = 0; i < core_ids_.size(); ++i) {
    if (std::find(share.cores.begin(), share.cores.end(), core_ids_[i]) == share.cores.end())
      continue;
    core_used_[i] = false;
    locks_->give_back(detail::kCoreBytes + core_ids_[i]);
  }
  for (std::size_t i = 0; i < gpu_ids_.size(); ++i) {
    if (std::find(share.gpus.begin(), share.gpus.end(), gpu_ids_[i]) == share.gpus.end()) continue;
    gpu_used_[i] = false;
    locks_->give_back(gpu_byte(gpu_ids_[i]));
  }
}

}  // namespace jetcal::hpo
