// SPDX-License-Identifier: Apache-2.0
// What the page shows of a network: configuration, where it came from, its files and its data.
#pragma once

#include <filesystem>
#include <map>
#include <mutex>
#include <string>
#include <vector>

#include "jetcal/board/run_shelf.h"

namespace jetcal::board {

/// Reads models. Answers are kept as long as the file and the stores' records stay as they are.
/// Thread-safe.
class ModelShelf {
 public:
  /// A model file: configuration, sizes, provenance, tensors, hash; lineage in those of `stores`
  /// (folders of pipelines) that made it, and manifests of the data it came from. Throws DataLoss
  /// for a file that is damaged.
  Json model(const std::filesystem::path& file, const std::vector<std::filesystem::path>& stores);
  /// A folder with config.pbtxt: its text, KServe's resources for it, and every version with its
  /// files and its model.
  Json repository(const std::filesystem::path& folder,
                  const std::vector<std::filesystem::path>& stores);

 private:
  struct Kept {
    std::string stamp;
    Json document;
  };
  std::mutex mutex_;
  std::map<std::string, Kept> kept_;  // by path
};

}  // namespace jetcal::board
