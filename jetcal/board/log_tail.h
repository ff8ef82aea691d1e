// SPDX-License-Identifier: Apache-2.0
// Reads the end of a file that may still grow.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>

namespace jetcal::board {

/// A piece of a log.
struct LogPiece {
  std::int64_t size = 0;  ///< Of the file, bytes.
  std::int64_t from = 0;  ///< Where the piece begins.
  std::int64_t to = 0;    ///< Where the next one does.
  std::string text;
};

/// Reads at most `max_bytes` from offset `from`; without an offset, the last ones, from the start
/// of a line on. A file that became shorter is read from its end. Symbolic links are refused.
/// Throws NotFound.
LogPiece read_log(const std::filesystem::path& path, std::optional<std::int64_t> from,
                  std::int64_t max_bytes = std::int64_t{64} << 10);

}  // namespace jetcal::board
