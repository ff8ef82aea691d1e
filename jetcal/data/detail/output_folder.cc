// SPDX-License-Identifier: Apache-2.0
#include "jetcal/data/detail/output_folder.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "jetcal/base/error.h"

namespace jetcal::data::detail {

namespace fs = std::filesystem;

namespace {

constexpr const char* kLockName = ".lock";

[[noreturn]] void fail_folder(const fs::path& path, int number) {
  const bool full = number == ENOSPC || number == EDQUOT;
  fail(full ? ErrorCode::ResourceExhausted : ErrorCode::InvalidArgument,
       "cannot write into the folder ", path.string(), ": ",
       full ? "no space left on the device" : std::strerror(number));
}

}  // namespace

OutputFolder::OutputFolder(fs::path path) : path_(std::move(path)) {
  std::error_code error;
  made_ = fs::create_directories(path_, error);
  if (error) fail_folder(path_, error.value());
  try {
    take_lock();
  } catch (const Error&) {
    if (made_) ::rmdir(path_.c_str());
    throw;
  }
}

void OutputFolder::take_lock() {
  const fs::path file = path_ / kLockName;
  for (;;) {
    const int lock = ::open(file.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0666);
    if (lock < 0) fail_folder(path_, errno);
    if (::flock(lock, LOCK_EX | LOCK_NB) != 0) {
      const int number = errno;
      ::close(lock);
      if (number == EWOULDBLOCK) {
        fail(ErrorCode::FailedPrecondition, "another ingest is writing into ", path_.string(),
             ", wait for it or use another folder");
      }
      fail_folder(path_, number);
    }
    struct stat info {};
    if (::fstat(lock, &info) == 0 && info.st_nlink > 0) {
      lock_ = lock;
      return;
    }
    ::close(lock);  // the process that held it removed the file after we opened it
  }
}

OutputFolder::~OutputFolder() {
  ::unlink((path_ / kLockName).c_str());
  ::close(lock_);
  if (made_) ::rmdir(path_.c_str());  // refused when shards are in it
}

}  // namespace jetcal::data::detail
