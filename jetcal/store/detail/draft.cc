// SPDX-License-Identifier: Apache-2.0
#include "jetcal/store/detail/draft.h"

#include <fcntl.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstring>
#include <string>

#include "jetcal/base/error.h"

namespace jetcal::store::detail {

Draft::Draft(const std::filesystem::path& target) : target_(target), path_(target) {
  static std::atomic<int> serial{0};
  std::error_code error;
  if (target.has_parent_path()) std::filesystem::create_directories(target.parent_path(), error);
  if (error) fail_with(error.value());
  path_ += "." + std::to_string(::getpid()) + "-" + std::to_string(serial++) + ".part";
  file_ = ::open(path_.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
  if (file_ < 0) fail_with(errno);
}

Draft::~Draft() {
  ::close(file_);
  ::unlink(path_.c_str());  // gone already where it was renamed
}

void Draft::write(const char* bytes, std::size_t count) {
  while (count > 0) {
    const ssize_t written = ::write(file_, bytes, count);
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) fail_with(errno);
    bytes += written;
    count -= static_cast<std::size_t>(written);
  }
}

void Draft::clear() {
  if (::ftruncate(file_, 0) != 0 || ::lseek(file_, 0, SEEK_SET) != 0) fail_with(errno);
}

void Draft::put() {
  sync();
  if (::rename(path_.c_str(), target_.c_str()) != 0) fail_with(errno);
}

bool Draft::put_if_absent() {
  sync();
  if (::link(path_.c_str(), target_.c_str()) == 0) return true;
  if (errno != EEXIST) fail_with(errno);
  return false;
}

void Draft::sync() {
  if (::fsync(file_) != 0) fail_with(errno);
}

void Draft::fail_with(int number) const {
  const bool full = number == ENOSPC || number == EDQUOT || number == EFBIG;
  fail(full ? ErrorCode::ResourceExhausted : ErrorCode::Internal, "cannot write ", target_.string(),
       ": ", std::strerror(number));
}

}  // namespace jetcal::store::detail
