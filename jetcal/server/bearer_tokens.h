// SPDX-License-Identifier: Apache-2.0
// Lets in only requests that carry one of the tokens of a file.
#pragma once

#include <array>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "jetcal/server/file_stamp.h"
#include "jetcal/server/http_message.h"

namespace jetcal::server {

/// Holds SHA-256 sums of the tokens, never the tokens. Thread-safe.
class BearerTokens {
 public:
  /// Reads one token a line; empty lines and lines that start with '#' are no tokens. `free_paths`
  /// need none. Throws NotFound for a missing file, InvalidArgument naming the line of a token that
  /// no header can carry, or for a file without tokens.
  BearerTokens(std::filesystem::path file, std::vector<std::string> free_paths);

  /// Says in one sentence why a request is refused; nothing when it may go on. Takes the same time
  /// whichever token is right or nearly right.
  std::optional<std::string> refusal(const HttpHead& head) const;

  /// Reads the file again if it has changed since, or always; tells whether it did. Throws as the
  /// constructor, once for each state of the file, and goes on with the old tokens.
  bool reload(bool always = false);

 private:
  using Digest = std::array<std::uint8_t, 32>;
  using Digests = std::vector<Digest>;
  static Digests read(const std::filesystem::path& file);
  static Digest digest_of(std::string_view token);

  const std::filesystem::path file_;
  const std::vector<std::string> free_paths_;
  FileStamp stamp_;  // used by reload() alone
  mutable std::mutex mutex_;
  std::shared_ptr<const Digests> digests_;  // shared: a check may outlive a reload
};

}  // namespace jetcal::server
