// SPDX-License-Identifier: Apache-2.0
// Says what a correction file holds.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

namespace jetcal::jec {

/// Describes one correction.
struct CorrectionEntry {
  struct Input {
    std::string name, type;  ///< Type: real, int or string.
  };
  std::string name;         ///< In a text file: the section's name, or "" without sections.
  std::string kind;         ///< "correction", "compound" or "text".
  std::string description;  ///< Of a text file: its header.
  std::vector<Input> inputs;
  std::vector<std::string> stack;  ///< Of a compound correction: its levels.
};

/// Lists a correctionlib JSON's corrections, compound ones last, or a text file's sections.
/// Throws as JetCorrector::open.
std::vector<CorrectionEntry> list_corrections(const std::filesystem::path& file);

}  // namespace jetcal::jec
