// SPDX-License-Identifier: Apache-2.0
#include "jetcal/train/detail/folder_lock.h"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <system_error>

#include "jetcal/base/error.h"

namespace jetcal::train::detail {

static ErrorCode code_of(int number) {
  return number == ENOSPC || number == EDQUOT ? ErrorCode::ResourceExhausted : ErrorCode::Internal;
}

FolderLock::FolderLock(const std::filesystem::path& folder) {
  std::error_code error;
  std::filesystem::create_directories(folder, error);
  if (error) {
    fail(code_of(error.value()), "cannot make the folder ", folder.string(), ": ", error.message());
  }
  const std::filesystem::path path = folder / "lock";
  file_ = ::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0644);
  if (file_ < 0) {
    fail(code_of(errno), "cannot write into ", folder.string(), ": ", std::strerror(errno));
  }
  if (::flock(file_, LOCK_EX | LOCK_NB) != 0) {
    ::close(file_);
    fail(ErrorCode::FailedPrecondition, "another process is training into ",
         folder.parent_path().string());
  }
}

FolderLock::~FolderLock() { ::close(file_); }

}  // namespace jetcal::train::detail
