// SPDX-License-Identifier: Apache-2.0
// Files: whole reads, and writes that either happen completely or leave nothing behind.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

namespace jetcal {

/// Reads a whole file. Throws NotFound, or DataLoss when it cannot be read.
std::string read_file(const std::filesystem::path& path);

/// Writes `content` beside `path`, syncs it and renames it over `path`, so a reader sees the old or
/// the new file. Throws ResourceExhausted on a full disk; the partial file is removed.
void write_file(const std::filesystem::path& path, std::string_view content);

/// Names a partial file beside its target and removes it unless committed.
///
/// Use: write to path(), then commit(). The suffix ".part" is what clean-up after a kill looks for.
class PartialFile {
 public:
  explicit PartialFile(std::filesystem::path target);
  ~PartialFile();
  PartialFile(const PartialFile&) = delete;
  PartialFile& operator=(const PartialFile&) = delete;

  const std::filesystem::path& path() const noexcept { return path_; }
  /// Syncs the file to disk and renames it to its target. Throws ResourceExhausted or Internal.
  void commit();

 private:
  std::filesystem::path target_, path_;
  bool committed_ = false;
};

/// Names a partial folder beside its target and removes it unless committed; its suffix is ".part"
/// too, and what a killed run left there is removed first.
class PartialFolder {
 public:
  /// Throws InvalidArgument when the target is a file or cannot be made, ResourceExhausted on a
  /// full disk.
  explicit PartialFolder(const std::filesystem::path& target);
  ~PartialFolder();
  PartialFolder(const PartialFolder&) = delete;
  PartialFolder& operator=(const PartialFolder&) = delete;

  const std::filesystem::path& path() const noexcept { return path_; }
  /// Moves the files into the target. Those of the same names are replaced, others stay.
  void commit();

 private:
  std::filesystem::path target_, path_;
};

/// Expands `*` and `?` in the last component, sorted by name; a path without them is returned as it
/// is. Throws NotFound when nothing matches.
std::vector<std::filesystem::path> glob_files(const std::string& pattern);

/// Hashes bytes with 64-bit FNV-1a; for cache keys and fingerprints, not for security.
std::uint64_t hash_bytes(std::string_view bytes,
                         std::uint64_t seed = 0xCBF29CE484222325ULL) noexcept;

}  // namespace jetcal
