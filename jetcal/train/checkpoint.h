// SPDX-License-Identifier: Apache-2.0
// The file that a killed training goes on from.
#pragma once

#include <filesystem>
#include <map>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <vector>

namespace jetcal::train {

/// Holds counters and records as JSON, and named tensors bit by bit.
// NOLINTNEXTLINE(bugprone-exception-escape): moving nlohmann::json does not throw; tidy cannot see
// it
struct Checkpoint {
  nlohmann::json state;
  std::map<std::string, std::vector<float>> tensors;

  /// Throws DataLoss when the tensor is not there.
  const std::vector<float>& tensor(const std::string& name) const;
};

/// Returns the bytes of the file.
std::string encode(const Checkpoint& checkpoint);
/// Reads them back; `path` names them in messages. Throws DataLoss.
Checkpoint decode(std::string_view bytes, const std::filesystem::path& path);

/// Writes the checkpoint: the file holds the old one or the new one, whenever the process dies.
/// Throws ResourceExhausted on a full disk.
void save_checkpoint(const Checkpoint& checkpoint, const std::filesystem::path& path);

/// Reads it back. Throws NotFound; DataLoss naming the file when it is truncated or corrupt.
Checkpoint load_checkpoint(const std::filesystem::path& path);

}  // namespace jetcal::train
