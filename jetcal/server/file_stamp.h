// SPDX-License-Identifier: Apache-2.0
// Tells whether a file has been changed or replaced since it was read.
#pragma once

#include <sys/stat.h>

#include <cstdint>
#include <filesystem>

namespace jetcal::server {

/// What the file system says of a file, links followed; all zero when it is not there.
struct FileStamp {
  std::uint64_t device = 0, inode = 0;
  std::int64_t size = 0, seconds = 0, nanoseconds = 0;

  static FileStamp of(const std::filesystem::path& path) noexcept {
    struct stat status {};
    if (path.empty() || ::stat(path.c_str(), &status) != 0) return {};
    return {status.st_dev, status.st_ino, status.st_size, status.st_mtim.tv_sec,
            status.st_mtim.tv_nsec};
  }
  bool operator==(const FileStamp&) const = default;
};

}  // namespace jetcal::server
