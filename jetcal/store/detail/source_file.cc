// SPDX-License-Identifier: Apache-2.0
#include "jetcal/store/detail/source_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "jetcal/base/error.h"
#include "jetcal/store/sha256.h"

namespace jetcal::store::detail {

SourceFile::SourceFile(const std::filesystem::path& path)
    : path_(path), file_(::open(path.c_str(), O_RDONLY | O_CLOEXEC)) {
  if (file_ < 0) {
    fail(errno == ENOENT ? ErrorCode::NotFound : ErrorCode::InvalidArgument, "cannot open ",
         path.string(), ": ", std::strerror(errno));
  }
  struct stat status {};
  const int reason = ::fstat(file_, &status) == 0 ? 0 : errno;
  if (reason != 0 || !S_ISREG(status.st_mode)) {
    ::close(file_);
    fail(ErrorCode::InvalidArgument, "cannot read ", path.string(), ": ",
         reason != 0 ? std::strerror(reason) : "it is not a regular file");
  }
  bytes_ = status.st_size;
}

SourceFile::~SourceFile() { ::close(file_); }

std::string SourceFile::sha256(std::int64_t begin, std::int64_t bytes) const {
  constexpr std::int64_t kPiece = std::int64_t{1} << 20;
  std::string piece(static_cast<std::size_t>(std::min(kPiece, bytes)), '\0');
  Sha256 hash;
  for (std::int64_t done = 0; done < bytes;) {
    const auto wanted =
        static_cast<std::size_t>(std::min(static_cast<std::int64_t>(piece.size()), bytes - done));
    const ssize_t got = ::pread(file_, piece.data(), wanted, begin + done);
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) {
      fail(ErrorCode::DataLoss, "cannot read ", path_.string(), " at byte ", begin + done, ": ",
           got < 0 ? std::strerror(errno) : "it has become shorter");
    }
    hash.add(piece.data(), static_cast<std::size_t>(got));
    done += got;
  }
  return hash.hex();
}

}  // namespace jetcal::store::detail
