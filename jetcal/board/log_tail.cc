// SPDX-License-Identifier: Apache-2.0
#include "jetcal/board/log_tail.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "jetcal/base/error.h"

namespace jetcal::board {

LogPiece read_log(const std::filesystem::path& path, std::optional<std::int64_t> from,
                  std::int64_t max_bytes) {
  const int file = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
  if (file < 0)
    fail(ErrorCode::NotFound, "the log ", path.filename().string(),
         " cannot be read: ", std::strerror(errno));
  struct stat status {};
  if (::fstat(file, &status) != 0 || !S_ISREG(status.st_mode)) {
    ::close(file);
    fail(ErrorCode::NotFound, "the log ", path.filename().string(), " is no file");
  }
  LogPiece piece;
  piece.size = status.st_size;
  const bool tail = !from || *from < 0 || *from > piece.size;
  piece.from = tail ? std::max<std::int64_t>(0, piece.size - max_bytes) : *from;
  piece.text.resize(static_cast<std::size_t>(std::min(max_bytes, piece.size - piece.from)));
  const ssize_t got = ::pread(file, piece.text.data(), piece.text.size(), piece.from);
  ::close(file);
  piece.text.resize(static_cast<std::size_t>(std::max<ssize_t>(0, got)));
  piece.to = piece.from + static_cast<std::int64_t>(piece.text.size());
  if (tail && piece.from > 0) {
    const std::size_t line = piece.text.find('\n');
    if (line != std::string::npos) {
      piece.text.erase(0, line + 1);
      piece.from += static_cast<std::int64_t>(line) + 1;
    }
  }
  return piece;
}

}  // namespace jetcal::board
