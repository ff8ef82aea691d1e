// SPDX-License-Identifier: Apache-2.0
#include "jetcal/data/file_store.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <map>
#include <mutex>
#include <utility>

#include "jetcal/base/error.h"
#include "jetcal/data/detail/s3_store.h"
#include "jetcal/store/object_store.h"

namespace jetcal::data {
namespace {

// A file that stays open: blocks are read from it again and again.
class OpenFile {
 public:
  explicit OpenFile(const std::string& path) : descriptor_(::open(path.c_str(), O_RDONLY)) {
    if (descriptor_ < 0) {
      fail(errno == ENOENT ? ErrorCode::NotFound : ErrorCode::InvalidArgument, "cannot open ", path,
           ": ", std::strerror(errno));
    }
    struct stat status {};
    if (::fstat(descriptor_, &status) != 0) {
      const int reason = errno;
      ::close(descriptor_);
      fail(ErrorCode::InvalidArgument, "cannot read ", path, ": ", std::strerror(reason));
    }
    size_ = status.st_size;
  }
  ~OpenFile() { ::close(descriptor_); }
  OpenFile(const OpenFile&) = delete;
  OpenFile& operator=(const OpenFile&) = delete;

  int descriptor() const noexcept { return descriptor_; }
  std::int64_t size() const noexcept { return size_; }

 private:
  int descriptor_;
  std::int64_t size_ = 0;
};

class FolderStore final : public FileStore {
 public:
  explicit FolderStore(std::filesystem::path folder) : folder_(std::move(folder)) {}

  std::string name_of(const std::string& file) const override { return (folder_ / file).string(); }
  std::int64_t size(const std::string& file) const override { return opened(file).size(); }

  void read(const std::string& file, std::int64_t offset, std::span<std::byte> out) const override {
    const OpenFile& opened_file = opened(file);
    std::size_t done = 0;
    while (done < out.size()) {
      const ssize_t got = ::pread(opened_file.descriptor(), out.data() + done, out.size() - done,
                                  offset + static_cast<std::int64_t>(done));
      if (got < 0 && errno == EINTR) continue;
      if (got < 0) {
        fail(ErrorCode::DataLoss, "cannot read ", name_of(file), " at byte ", offset, ": ",
             std::strerror(errno));
      }
      if (got == 0) {
        fail(ErrorCode::DataLoss, "the file ", name_of(file), " ends at byte ",
             offset + static_cast<std::int64_t>(done), ", before byte ",
             offset + static_cast<std::int64_t>(out.size()));
      }
      done += static_cast<std::size_t>(got);
    }
    ++reads_;
    bytes_ += static_cast<std::int64_t>(out.size());
  }

  StoreCounts counts() const override { return {reads_, bytes_, 0}; }
  bool remote() const override { return false; }

 private:
  const OpenFile& opened(const std::string& file) const {
    const std::lock_guard lock(mutex_);
    std::unique_ptr<OpenFile>& place = files_[file];
    if (!place) place = std::make_unique<OpenFile>(name_of(file));
    return *place;
  }

  std::filesystem::path folder_;
  mutable std::mutex mutex_;
  mutable std::map<std::string, std::unique_ptr<OpenFile>> files_;
  mutable std::atomic<std::int64_t> reads_{0}, bytes_{0};
};

}  // namespace

std::string FileStore::read_all(const std::string& file) const {
  std::string content(static_cast<std::size_t>(size(file)), '\0');
  read(file, 0, std::as_writable_bytes(std::span(content)));
  return content;
}

bool is_remote(const std::string& location) noexcept { return store::is_remote(location); }

std::shared_ptr<const FileStore> open_store(const std::string& location) {
  if (!is_remote(location)) return std::make_shared<FolderStore>(location);
  const store::BucketPrefix place = store::split_location(location);
  return detail::open_s3(place.bucket, place.prefix);
}

}  // namespace jetcal::data
