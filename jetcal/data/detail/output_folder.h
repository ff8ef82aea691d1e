// SPDX-License-Identifier: Apache-2.0
// The folder that an ingest writes: made if absent, held by one process, left clean.
#pragma once

#include <filesystem>

namespace jetcal::data::detail {

/// Creates a folder and holds it: a second process that tries is refused. At the end the lock is
/// removed, and with it a folder that this object made and in which nothing else is.
class OutputFolder {
 public:
  /// Throws FailedPrecondition when another process holds the folder, ResourceExhausted on a full
  /// disk, InvalidArgument when it cannot be made.
  explicit OutputFolder(std::filesystem::path path);
  ~OutputFolder();
  OutputFolder(const OutputFolder&) = delete;
  OutputFolder& operator=(const OutputFolder&) = delete;

 private:
  void take_lock();

  std::filesystem::path path_;
  bool made_ = false;
  int lock_ = -1;
};

}  // namespace jetcal::data::detail
