// SPDX-License-Identifier: Apache-2.0
// Metrics as programs print them: lines of name=value as Katib reads them, or JSON.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "jetcal/hpo/study_store.h"

namespace jetcal::hpo {

/// Returns every `name=value` of a line (spaces around "=" allowed; names of letters, digits and
/// _ | - . / :), nan and inf included. What is no number is left out.
Metrics parse_metrics_line(std::string_view line);

/// Returns all numbers of a JSON document by dotted names, texts that are numbers included
/// (Katib's JSON format); empty where it is no JSON.
Metrics parse_metrics_json(std::string_view text);

/// Reads a file of metrics while it grows.
class MetricsFile {
 public:
  enum class Format {
    Text,  ///< name=value
    Json,  ///< One document a line, or one document.
  };
  MetricsFile(std::filesystem::path path, Format format);
  /// Starts at what is in the file beyond `offset` bytes.
  void skip_to(std::uintmax_t offset) noexcept { offset_ = offset; }

  /// Returns the metrics of each line that has become complete since the last call. A file that was
  /// replaced is read again from its beginning.
  std::vector<Metrics> poll();
  /// The same, with a last line that lacks its end; for a program that has ended.
  std::vector<Metrics> finish();

 private:
  std::vector<Metrics> read(bool all);
  std::filesystem::path path_;
  Format format_;
  std::uintmax_t offset_ = 0;
  std::uintmax_t seen_ = 0;  // size at the last look
  std::uint64_t file_ = 0;   // its inode
};

}  // namespace jetcal::hpo
