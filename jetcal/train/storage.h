// SPDX-License-Identifier: Apache-2.0
// How the jets of a sample are held while a network is trained: mapped, in memory or streamed.
#pragma once

#include <cstdint>
#include <string_view>

#include "jetcal/base/config.h"

namespace jetcal::train {

/// Says where jets are when a batch needs them.
enum class StorageMode {
  Auto,      ///< Mapped from a folder; from an object store in memory if they fit, else streamed.
  Memory,    ///< All read once and kept.
  Mapped,    ///< Left in the files of a folder, which the system caches.
  Streamed,  ///< Two windows of blocks at a time, read again every epoch.
};
/// Returns "auto", "memory", "mapped" or "streamed".
std::string_view storage_mode_name(StorageMode mode) noexcept;
/// Throws InvalidArgument for another name.
StorageMode parse_storage_mode(std::string_view name);

/// Configures where jets are held.
struct StorageOptions {
  StorageMode mode = StorageMode::Auto;
  double memory_mb = 1024;       ///< For both windows of a stream; decides how far jets are mixed.
  std::int64_t connections = 8;  ///< Blocks read at the same time.
};

/// Reads data.mode, data.memory_mb and data.connections.
StorageOptions read_storage_options(const Config& config);
/// Throws InvalidArgument naming the first field that is out of range.
void validate(const StorageOptions& options);

}  // namespace jetcal::train
