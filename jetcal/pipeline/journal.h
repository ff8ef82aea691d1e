// SPDX-License-Identifier: Apache-2.0
// What happened in a run, line by line, each on disk before the next thing happens.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "jetcal/pipeline/document.h"

namespace jetcal::pipeline {

/// An append-only file of JSON lines. Every line is synced.
class Journal {
 public:
  /// Opens or makes the file; a last line that a kill cut is ended, so that the next one is whole.
  /// Throws ResourceExhausted or Internal.
  explicit Journal(const std::filesystem::path& path);
  ~Journal();
  Journal(const Journal&) = delete;
  Journal& operator=(const Journal&) = delete;
  /// Adds the time and writes the line. Throws ResourceExhausted when the disk is full.
  void add(const Json& entry);

 private:
  std::filesystem::path path_;
  int file_;
};

/// Reads a journal; lines that are no JSON (cut by a kill) are left out.
std::vector<Json> read_journal(const std::filesystem::path& path);

}  // namespace jetcal::pipeline
