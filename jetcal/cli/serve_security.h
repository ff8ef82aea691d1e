// SPDX-License-Identifier: Apache-2.0
// Who may use a server: the flags of jetcal serve for TLS and tokens, and their files while it
// runs.
#pragma once

#include <CLI/CLI.hpp>
#include <chrono>
#include <memory>
#include <string>

#include "jetcal/base/config.h"
#include "jetcal/server/bearer_tokens.h"
#include "jetcal/server/http_server.h"
#include "jetcal/server/tls_credentials.h"

namespace jetcal::cli {

/// The flags as given; empty means without.
struct SecurityFlags {
  std::string tls_certificate, tls_key, tls_client_ca, token_file;
  bool health_token = false;  ///< Health needs a token too.
};

void add_security_flags(CLI::App& app, SecurityFlags& flags);
/// Fills in what the configuration says and no flag does. Throws InvalidArgument for a flag that
/// needs another.
void complete_security(const CLI::App& app, const Config& config, SecurityFlags& flags);

/// Holds what the files say, and reads them again when they change.
class ServeSecurity {
 public:
  explicit ServeSecurity(const SecurityFlags& flags);

  server::HttpSecurity http() const noexcept { return {tls_.get(), tokens_.get()}; }
  /// Reads what has changed, once a second, or everything after a SIGHUP. Files that cannot be used
  /// leave the old ones in use, with a warning.
  void keep_fresh();

 private:
  std::unique_ptr<server::TlsCredentials> tls_;
  std::unique_ptr<server::BearerTokens> tokens_;
  std::chrono::steady_clock::time_point next_look_;
};

}  // namespace jetcal::cli
