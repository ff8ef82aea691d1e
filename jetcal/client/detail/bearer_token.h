// SPDX-License-Identifier: Apache-2.0
// The token that goes with every request.
#pragma once

#include <mutex>
#include <string>

#include "jetcal/client/client_options.h"

namespace jetcal::client::detail {

/// Thread-safe.
class BearerToken {
 public:
  /// Throws NotFound or FailedPrecondition when the source is not there or empty.
  explicit BearerToken(const ClientOptions& options);
  /// Returns the header line; empty without a token.
  std::string header() const;
  /// Reads the file again; true when another token than `used` (a header line) is there now.
  bool renew(const std::string& used);

 private:
  std::string read() const;

  const ClientOptions& options_;
  mutable std::mutex mutex_;
  std::string header_;
};

}  // namespace jetcal::client::detail
