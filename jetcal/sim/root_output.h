// SPDX-License-Identifier: Apache-2.0
// A ROOT file that appears completely or not at all, with the same bytes for the same trees.
#pragma once

#include <TFile.h>

#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <type_traits>

#include "jetcal/base/files.h"

class TTree;

namespace jetcal::sim {

/// Holds the file that is being written; it is removed unless close() is reached.
class RootOutput {
 public:
  /// Throws ResourceExhausted when the file cannot be made.
  RootOutput(const std::filesystem::path& path, int compression);

  /// Adds an empty tree in a folder; the file owns it.
  TTree* add_tree(const std::string& folder, const char* name, std::int64_t rows_per_cluster);
  /// Throws ResourceExhausted when a write failed, `good` or the file says.
  void check(bool good) const;
  void close();

 private:
  PartialFile part_;
  std::unique_ptr<TFile> file_;
};

/// Returns the letter of a branch's type in ROOT's leaf lists.
template <typename T>
constexpr const char* leaf_letter() {
  if constexpr (std::is_same_v<T, float>) return "/F";
  if constexpr (std::is_same_v<T, std::int32_t>) return "/I";
  return "/l";
}

}  // namespace jetcal::sim
