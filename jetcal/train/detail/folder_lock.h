// SPDX-License-Identifier: Apache-2.0
// Keeps two processes from writing into one folder.
#pragma once

#include <filesystem>

namespace jetcal::train::detail {

/// Holds the lock of a folder while it lives; the system frees it when the process dies.
class FolderLock {
 public:
  /// Makes the folder where needed. Throws FailedPrecondition when another process holds the lock,
  /// ResourceExhausted or Internal when the folder cannot be made or written.
  explicit FolderLock(const std::filesystem::path& folder);
  ~FolderLock();
  FolderLock(const FolderLock&) = delete;
  FolderLock& operator=(const FolderLock&) = delete;

 private:
  int file_ = -1;
};

}  // namespace jetcal::train::detail
