// SPDX-License-Identifier: Apache-2.0
// SHA-256 of texts, files and folders.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace jetcal::pipeline {

/// Returns 64 hex digits.
std::string sha256(std::string_view bytes);

/// One file of a folder, or a file itself.
struct FileHash {
  std::string path;  ///< Relative to the folder, '/' between components; "" for a file itself.
  std::uint64_t size = 0;
  std::string sha256;
};

/// What a file or folder holds.
struct ContentHash {
  std::string sha256;  ///< Of the file; of a folder: of the list of its files with their hashes.
  bool folder = false;
  std::uint64_t bytes = 0;
  std::vector<FileHash> files;  ///< By path.
};

/// Remembers hashes of files by path, size, times and inode, so that data that did not change is
/// not read again.
///
/// A file changed within the last two seconds before it was hashed is not remembered: its time may
/// not show the next change.
class HashCache {
 public:
  /// Reads `path`, a list that earlier runs left; lines that are damaged are left out.
  explicit HashCache(std::filesystem::path path);
  /// The remembered hash of the file as it is now, or "".
  std::string find(const std::filesystem::path& file) const;
  void remember(const std::filesystem::path& file, const std::string& hash);
  /// The same of what lies elsewhere, whose `state` changes when its content does; an empty one is
  /// not remembered.
  std::string find(const std::string& location, const std::string& state) const;
  void remember(const std::string& location, const std::string& state, const std::string& hash);
  /// Appends what is new to the file.
  void save();

 private:
  std::filesystem::path path_;
  std::map<std::string, std::pair<std::string, std::string>> known_;  // path -> (state, hash)
  std::string fresh_;
};

/// Hashes a file or a folder with all that lies in it; symbolic links are followed for files and
/// refused for folders. With `sync`, every file and folder is synced to disk.
///
/// Throws NotFound, InvalidArgument for sockets and the like, DataLoss when reading fails,
/// ResourceExhausted when the disk is full.
ContentHash hash_content(const std::filesystem::path& path, HashCache* cache = nullptr,
                         bool sync = false);

}  // namespace jetcal::pipeline
