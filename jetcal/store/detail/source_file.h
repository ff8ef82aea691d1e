// SPDX-License-Identifier: Apache-2.0
// A file that is to be sent.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>

namespace jetcal::store::detail {

class SourceFile {
 public:
  /// Throws NotFound, and InvalidArgument for one that cannot be opened or has no length (a pipe).
  explicit SourceFile(const std::filesystem::path& path);
  ~SourceFile();
  SourceFile(const SourceFile&) = delete;
  SourceFile& operator=(const SourceFile&) = delete;

  const std::filesystem::path& path() const noexcept { return path_; }
  int descriptor() const noexcept { return file_; }
  std::int64_t bytes() const noexcept { return bytes_; }
  /// Returns the SHA-256 of a part. Throws DataLoss when the file cannot be read or has become
  /// shorter.
  std::string sha256(std::int64_t begin, std::int64_t bytes) const;

 private:
  const std::filesystem::path path_;
  int file_;
  std::int64_t bytes_ = 0;
};

}  // namespace jetcal::store::detail
