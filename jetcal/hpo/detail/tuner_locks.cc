// SPDX-License-Identifier: Apache-2.0
#include "jetcal/hpo/detail/tuner_locks.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <fstream>
#include <string>

#include "jetcal/base/error.h"

namespace jetcal::hpo::detail {

static struct flock byte_range(int type, std::int64_t byte) noexcept {
  struct flock range {};
  range.l_type = static_cast<short>(type);
  range.l_whence = SEEK_SET;
  range.l_start = byte;
  range.l_len = 1;
  return range;
}

TunerLocks::TunerLocks(const std::filesystem::path& path, bool inherited) {
  file_ = ::open(path.c_str(), O_RDWR | O_CREAT | (inherited ? 0 : O_CLOEXEC), 0666);
  if (file_ < 0) {
    fail(ErrorCode::FailedPrecondition, "cannot open ", path.string(), ": ", std::strerror(errno));
  }
}

TunerLocks::~TunerLocks() { ::close(file_); }

bool TunerLocks::take(std::int64_t byte) const noexcept {
  struct flock range = byte_range(F_WRLCK, byte);
  return ::fcntl(file_, F_OFD_SETLK, &range) == 0;
}

bool TunerLocks::wait_for(std::int64_t byte) const noexcept {
  struct flock range = byte_range(F_WRLCK, byte);
  int result = 0;
  do {
    result = ::fcntl(file_, F_OFD_SETLKW, &range);
  } while (result != 0 && errno == EINTR);
  return result == 0;
}

void TunerLocks::give_back(std::int64_t byte) const noexcept {
  struct flock range = byte_range(F_UNLCK, byte);
  ::fcntl(file_, F_OFD_SETLK, &range);
}

bool TunerLocks::taken(std::int64_t byte) const noexcept {
  struct flock range = byte_range(F_WRLCK, byte);
  return ::fcntl(file_, F_OFD_GETLK, &range) == 0 && range.l_type != F_UNLCK;
}

std::string boot_id() {
  std::string id;
  std::getline(std::ifstream("/proc/sys/kernel/random/boot_id"), id);
  return id;
}

}  // namespace jetcal::hpo::detail
