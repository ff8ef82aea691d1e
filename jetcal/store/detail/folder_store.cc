// SPDX-License-Identifier: Apache-2.0
#include "jetcal/store/detail/folder_store.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstring>
#include <utility>
#include <vector>

#include "jetcal/base/error.h"
#include "jetcal/store/detail/draft.h"
#include "jetcal/store/detail/object_name.h"

namespace jetcal::store::detail {
namespace {

namespace fs = std::filesystem;

// Gives the bytes of a file to `take`, in pieces.
template <typename Take>
std::int64_t read_pieces(const fs::path& path, const Take& take) {
  const int file = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (file < 0) {
    fail(errno == ENOENT ? ErrorCode::NotFound : ErrorCode::InvalidArgument, "cannot open ",
         path.string(), ": ", std::strerror(errno));
  }
  const std::unique_ptr<const int, void (*)(const int*)> closer(
      &file, [](const int* opened) { ::close(*opened); });
  constexpr std::size_t kPiece = std::size_t{1} << 20;
  std::vector<char> piece(kPiece);
  std::int64_t bytes = 0;
  while (true) {
    const ssize_t got = ::read(file, piece.data(), piece.size());
    if (got < 0 && errno == EINTR) continue;
    if (got < 0)
      fail(ErrorCode::DataLoss, "cannot read ", path.string(), ": ", std::strerror(errno));
    if (got == 0) return bytes;
    take(piece.data(), static_cast<std::size_t>(got));
    bytes += got;
  }
}

class FolderStore final : public ObjectStore {
 public:
  explicit FolderStore(fs::path folder) : folder_(std::move(folder)) {}

  std::string name_of(const std::string& name) const override {
    return name.empty() ? folder_.string() : (folder_ / name).string();
  }

  std::string get(const std::string& name) const override {
    std::string content;
    read_ += read_pieces(path_of(name), [&content](const char* bytes, std::size_t count) {
      content.append(bytes, count);
    });
    return content;
  }

  void get_to_file(const std::string& name, const fs::path& file) const override {
    Draft draft(file);
    read_ += read_pieces(path_of(name), [&draft](const char* bytes, std::size_t count) {
      draft.write(bytes, count);
    });
    draft.put();
  }

  void put(const std::string& name, std::string_view content) const override {
    Draft draft(path_of(name));
    draft.write(content.data(), content.size());
    draft.put();
    written_ += static_cast<std::int64_t>(content.size());
  }

  void put_file(const std::string& name, const fs::path& file) const override {
    Draft draft(path_of(name));
    written_ += read_pieces(
        file, [&draft](const char* bytes, std::size_t count) { draft.write(bytes, count); });
    draft.put();
  }

  bool put_if_absent(const std::string& name, std::string_view content) const override {
    Draft draft(path_of(name));
    draft.write(content.data(), content.size());
    if (!draft.put_if_absent()) return false;
    written_ += static_cast<std::int64_t>(content.size());
    return true;
  }

  std::optional<ObjectInfo> head(const std::string& name) const override {
    struct stat status {};
    if (::stat(path_of(name).c_str(), &status) != 0 || !S_ISREG(status.st_mode))
      return std::nullopt;
    return ObjectInfo{name, status.st_size,
                      std::to_string(status.st_mtim.tv_sec) + "." +
                          std::to_string(status.st_mtim.tv_nsec) + "-" +
                          std::to_string(status.st_size)};
  }

  std::vector<ObjectInfo> list(const std::string& prefix) const override {
    std::error_code error;
    fs::recursive_directory_iterator entries(folder_, error);
    if (error == std::errc::no_such_file_or_directory)
      fail(ErrorCode::NotFound, "no such folder: ", folder_.string());
    if (error)
      fail(ErrorCode::InvalidArgument, "cannot list ", folder_.string(), ": ", error.message());
    std::vector<ObjectInfo> all;
    for (const fs::directory_entry& entry : entries) {
      const std::string name = entry.path().lexically_relative(folder_).generic_string();
      if (!name.starts_with(prefix) || entry.path().extension() == ".part") continue;
      if (std::optional<ObjectInfo> info = head(name)) all.push_back(std::move(*info));
    }
    std::sort(all.begin(), all.end(),
              [](const ObjectInfo& a, const ObjectInfo& b) { return a.name < b.name; });
    return all;
  }

  void remove(const std::string& name) const override {
    std::error_code error;
    fs::remove(path_of(name), error);
    if (error) fail(ErrorCode::Internal, "cannot remove ", name_of(name), ": ", error.message());
  }

  ObjectCounts counts() const override { return {0, 0, read_, written_}; }

 private:
  fs::path path_of(const std::string& name) const {
    check_name(name);
    return folder_ / name;
  }

  const fs::path folder_;
  mutable std::atomic<std::int64_t> read_{0}, written_{0};
};

}  // namespace

std::unique_ptr<ObjectStore> open_folder(const fs::path& folder) {
  return std::make_unique<FolderStore>(fs::absolute(folder).lexically_normal());
}

}  // namespace jetcal::store::detail
