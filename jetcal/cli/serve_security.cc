// SPDX-License-Identifier: Apache-2.0
#include "jetcal/cli/serve_security.h"

#include "jetcal/base/log.h"
#include "jetcal/base/reload_signal.h"
#include "jetcal/cli/verb.h"
#include "jetcal/server/oip_service.h"

namespace jetcal::cli {
namespace {

constexpr std::chrono::seconds kLookInterval{1};

template <typename Files>
void reload(Files* files, const char* what, bool always) {
  if (files == nullptr) return;
  try {
    if (files->reload(always)) spdlog::info("{} read again", what);
  } catch (const Error& error) {
    spdlog::warn("{} stay as they were: {}", what, error.what());
  }
}

}  // namespace

void add_security_flags(CLI::App& app, SecurityFlags& flags) {
  app.add_option("--tls-certificate", flags.tls_certificate,
                 "PEM: certificate of this server and its chain; HTTP and gRPC then need TLS");
  app.add_option("--tls-key", flags.tls_key, "PEM: key of the certificate");
  app.add_option("--tls-client-ca", flags.tls_client_ca,
                 "PEM: clients must show a certificate that leads to one of these");
  app.add_option("--token-file", flags.token_file,
                 "tokens, one a line: requests must carry one as 'Authorization: Bearer TOKEN'");
  app.add_option("--health-token", flags.health_token, "health needs a token too (false)");
}

void complete_security(const CLI::App& app, const Config& config, SecurityFlags& flags) {
  fill_from_config(app, config, "tls-certificate", flags.tls_certificate);
  fill_from_config(app, config, "tls-key", flags.tls_key);
  fill_from_config(app, config, "tls-client-ca", flags.tls_client_ca);
  fill_from_config(app, config, "token-file", flags.token_file);
  fill_from_config(app, config, "health-token", flags.health_token);
  if (flags.tls_certificate.empty() != flags.tls_key.empty())
    fail(ErrorCode::InvalidArgument, "tls-certificate and tls-key belong together: ",
         flags.tls_key.empty() ? "tls-key" : "tls-certificate", " is missing");
  if (!flags.tls_client_ca.empty() && flags.tls_certificate.empty())
    fail(ErrorCode::InvalidArgument, "tls-client-ca needs tls-certificate and tls-key");
  if (flags.health_token && flags.token_file.empty())
    fail(ErrorCode::InvalidArgument, "health-token needs token-file");
}

ServeSecurity::ServeSecurity(const SecurityFlags& flags) {
  if (!flags.tls_certificate.empty())
    tls_ = std::make_unique<server::TlsCredentials>(
        server::TlsFiles{flags.tls_certificate, flags.tls_key, flags.tls_client_ca});
  if (!flags.token_file.empty())
    tokens_ = std::make_unique<server::BearerTokens>(
        flags.token_file, flags.health_token ? std::vector<std::string>{} : server::health_paths());
  if (tls_ || tokens_) handle_reload_signal();
}

void ServeSecurity::keep_fresh() {
  const auto now = std::chrono::steady_clock::now();
  const bool asked = take_reload_request();
  if (!asked && now < next_look_) return;
  next_look_ = now + kLookInterval;
  reload(tls_.get(), "TLS files", asked);
  reload(tokens_.get(), "tokens", asked);
}

}  // namespace jetcal::cli
