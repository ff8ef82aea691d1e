// SPDX-License-Identifier: Apache-2.0
#include "jetcal/pipeline/content_hash.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <ctime>
#include <fstream>
#include <sstream>

#include "jetcal/base/error.h"
#include "jetcal/store/sha256.h"

namespace jetcal::pipeline {
namespace {

namespace fs = std::filesystem;

using store::Sha256;

class Descriptor {
 public:
  Descriptor(const fs::path& path, int flags) : file_(::open(path.c_str(), flags | O_CLOEXEC)) {
    if (file_ < 0)
      fail(errno == ENOENT ? ErrorCode::NotFound : ErrorCode::DataLoss, "cannot read ",
           path.string(), ": ", std::strerror(errno));
  }
  ~Descriptor() { ::close(file_); }
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  int get() const { return file_; }

 private:
  int file_;
};

void sync_to_disk(int file, const fs::path& path) {
  if (::fsync(file) != 0)
    fail(errno == ENOSPC || errno == EDQUOT ? ErrorCode::ResourceExhausted : ErrorCode::DataLoss,
         "cannot sync ", path.string(), ": ", std::strerror(errno));
}

// What changes whenever the file does.
std::string state_of(const struct stat& info) {
  std::ostringstream text;
  text << info.st_size << ' ' << info.st_mtim.tv_sec << '.' << info.st_mtim.tv_nsec << ' '
       << info.st_ctim.tv_sec << '.' << info.st_ctim.tv_nsec << ' ' << info.st_dev << ' '
       << info.st_ino;
  return text.str();
}

bool changed_just_now(const struct stat& info) {
  constexpr std::time_t kSettled = 2;
  return std::time(nullptr) - std::max(info.st_mtim.tv_sec, info.st_ctim.tv_sec) < kSettled;
}

FileHash hash_file(const fs::path& path, HashCache* cache, bool sync) {
  FileHash result;
  const std::string known = cache == nullptr || sync ? "" : cache->find(path);
  if (!known.empty()) {
    result.sha256 = known;
    result.size = fs::file_size(path);
    return result;
  }
  constexpr std::size_t kBlock = 1U << 20U;
  const Descriptor file(path, O_RDONLY);
  std::vector<char> block(kBlock);
  Sha256 hash;
  while (true) {
    const ssize_t got = ::read(file.get(), block.data(), block.size());
    if (got < 0 && errno == EINTR) continue;
    if (got < 0)
      fail(ErrorCode::DataLoss, "cannot read ", path.string(), ": ", std::strerror(errno));
    if (got == 0) break;
    hash.add(block.data(), static_cast<std::size_t>(got));
    result.size += static_cast<std::uint64_t>(got);
  }
  if (sync) sync_to_disk(file.get(), path);
  result.sha256 = hash.hex();
  if (cache != nullptr) cache->remember(path, result.sha256);
  return result;
}

}  // namespace

std::string sha256(std::string_view bytes) { return store::sha256(bytes); }

HashCache::HashCache(fs::path path) : path_(std::move(path)) {
  std::ifstream in(path_);
  for (std::string line; std::getline(in, line);) {
    // hash TAB state TAB path
    const std::size_t first = line.find('\t'), second = line.find('\t', first + 1);
    if (first != 64 || second == std::string::npos) continue;
    known_[line.substr(second + 1)] = {line.substr(first + 1, second - first - 1),
                                       line.substr(0, first)};
  }
}

std::string HashCache::find(const fs::path& file) const {
  struct stat info {};
  return ::stat(file.c_str(), &info) == 0 ? find(file.string(), state_of(info)) : "";
}

std::string HashCache::find(const std::string& location, const std::string& state) const {
  const auto found = known_.find(location);
  return found != known_.end() && found->second.first == state ? found->second.second : "";
}

void HashCache::remember(const fs::path& file, const std::string& hash) {
  struct stat info {};
  if (::stat(file.c_str(), &info) == 0 && !changed_just_now(info))
    remember(file.string(), state_of(info), hash);
}

void HashCache::remember(const std::string& location, const std::string& state,
                         const std::string& hash) {
  if (state.empty() || location.find('\n') != std::string::npos) return;
  known_[location] = {state, hash};
  fresh_ += hash + "\t" + state + "\t" + location + "\n";
}

void HashCache::save() {
  if (fresh_.empty()) return;
  // A cache that cannot be written costs time, not correctness.
  std::ofstream out(path_, std::ios::app);
  out << fresh_;
  fresh_.clear();
}

ContentHash hash_content(const fs::path& path, HashCache* cache, bool sync) {
  const fs::file_status status = fs::status(path);
  if (!fs::exists(status)) fail(ErrorCode::NotFound, "no such file or folder: ", path.string());
  ContentHash result;
  if (fs::is_regular_file(status)) {
    const FileHash file = hash_file(path, cache, sync);
    result.sha256 = file.sha256;
    result.bytes = file.size;
    result.files.push_back(file);
    return result;
  }
  if (!fs::is_directory(status))
    fail(ErrorCode::InvalidArgument, path.string(), " is neither a file nor a folder");
  result.folder = true;
  std::vector<fs::path> folders{path};
  for (const fs::directory_entry& entry : fs::recursive_directory_iterator(path)) {
    if (entry.is_directory()) {
      if (entry.is_symlink())
        fail(ErrorCode::InvalidArgument, entry.path().string(), " is a link to a folder");
      folders.push_back(entry.path());
      continue;
    }
    if (!entry.is_regular_file())
      fail(ErrorCode::InvalidArgument, entry.path().string(), " is neither a file nor a folder");
    FileHash file = hash_file(entry.path(), cache, sync);
    file.path = entry.path().lexically_relative(path).generic_string();
    result.bytes += file.size;
    result.files.push_back(std::move(file));
  }
  std::sort(result.files.begin(), result.files.end(),
            [](const FileHash& a, const FileHash& b) { return a.path < b.path; });
  Sha256 hash;
  for (const FileHash& file : result.files) {
    // Names may hold anything but zero bytes, so zero bytes part the fields.
    const std::string line = file.path + '\0' + file.sha256 + '\0';
    hash.add(line.data(), line.size());
  }
  result.sha256 = hash.hex();
  if (sync) {
    for (const fs::path& folder : folders)
      sync_to_disk(Descriptor(folder, O_RDONLY | O_DIRECTORY).get(), folder);
  }
  return result;
}

}  // namespace jetcal::pipeline
