// SPDX-License-Identifier: Apache-2.0
#include "jetcal/train/storage.h"

#include <array>
#include <cmath>

#include "jetcal/base/error.h"

namespace jetcal::train {

static constexpr std::array<std::string_view, 4> kModeNames{"auto", "memory", "mapped", "streamed"};

std::string_view storage_mode_name(StorageMode mode) noexcept {
  return kModeNames[static_cast<std::size_t>(mode)];
}

StorageMode parse_storage_mode(std::string_view name) {
  for (std::size_t i = 0; i < kModeNames.size(); ++i) {
    if (kModeNames[i] == name) return static_cast<StorageMode>(i);
  }
  fail(ErrorCode::InvalidArgument, "unknown data.mode '", name,
       "', known are auto, memory, mapped, streamed");
}

StorageOptions read_storage_options(const Config& config) {
  StorageOptions options;
  options.mode =
      parse_storage_mode(config.get("data.mode", std::string(storage_mode_name(options.mode))));
  options.memory_mb = config.get("data.memory_mb", options.memory_mb);
  options.connections = config.get("data.connections", options.connections);
  return options;
}

void validate(const StorageOptions& options) {
  if (!(options.memory_mb > 0) || !std::isfinite(options.memory_mb)) {
    fail(ErrorCode::InvalidArgument, "data.memory_mb must be positive, got ", options.memory_mb);
  }
  constexpr std::int64_t kMostConnections = 256;
  if (options.connections < 1 || options.connections > kMostConnections) {
    fail(ErrorCode::InvalidArgument, "data.connections must be from 1 to ", kMostConnections,
         ", got ", options.connections);
  }
}

}  // namespace jetcal::train
