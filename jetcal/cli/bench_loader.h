// SPDX-License-Identifier: Apache-2.0
// Times the input pipeline: shards to batches, alone and under a training step.
#pragma once

#include <cstdint>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <string>

namespace jetcal::cli {

struct LoaderBenchOptions {
  std::filesystem::path data;  ///< Folder of shards.
  std::string mode = "paper", network = "pfn-best";
  std::int64_t jets = 1'000'000;  ///< Jets an epoch; the sample is read again and again.
  std::int64_t epochs = 3, batch = 500;
  std::int64_t steps = 20;  ///< Training steps that are fed.
  std::uint64_t seed = 1;
};

/// Reads epochs of shuffled jets through train::BatchLoader, with the memory of the process after
/// each, then feeds training steps and tells how long they waited.
nlohmann::ordered_json bench_loader(const LoaderBenchOptions& options);

}  // namespace jetcal::cli
