// SPDX-License-Identifier: Apache-2.0
#include "jetcal/cli/client_flags.h"

#include <cmath>

#include "jetcal/cli/verb.h"

namespace jetcal::cli {
namespace {

std::chrono::milliseconds to_ms(const char* flag, double seconds) {
  constexpr double kMaxSeconds = 1e7;
  if (!(seconds > 0) || seconds > kMaxSeconds)
    fail(ErrorCode::InvalidArgument, flag, " is out of range: ", seconds);
  return std::chrono::milliseconds(std::max<std::int64_t>(1, std::llround(seconds * 1000)));
}

}  // namespace

void add_client_flags(CLI::App& app, ClientFlags& flags) {
  app.add_option("--url", flags.url, "server: http://host:port or https://host:port");
  app.add_option("--connections", flags.connections, "requests under way at a time");
  app.add_option("--retries", flags.retries,
                 "of a request that is refused for now or whose connection breaks (8)");
  app.add_option("--deadline", flags.deadline, "seconds for a request with its retries (600)");
  app.add_option("--connect-timeout", flags.connect_timeout, "seconds to reach the server (10)");
  app.add_option("--ca", flags.ca, "certificates to trust, PEM (the machine's)");
  app.add_option("--cert", flags.certificate, "our certificate for mutual TLS, PEM");
  app.add_option("--key", flags.key, "its key, PEM");
  app.add_option("--verify", flags.verify, "false takes any certificate of the server, for tests");
  app.add_option("--token-file", flags.token_file, "file of a bearer token");
  app.add_option("--token-variable", flags.token_variable,
                 "environment variable of a bearer token");
}

void fill_client_flags(const CLI::App& app, const Config& config, ClientFlags& flags) {
  fill_from_config(app, config, "url", flags.url);
  fill_from_config(app, config, "connections", flags.connections);
  fill_from_config(app, config, "retries", flags.retries);
  fill_from_config(app, config, "deadline", flags.deadline);
  fill_from_config(app, config, "connect-timeout", flags.connect_timeout);
  fill_from_config(app, config, "ca", flags.ca);
  fill_from_config(app, config, "cert", flags.certificate);
  fill_from_config(app, config, "key", flags.key);
  fill_from_config(app, config, "verify", flags.verify);
  fill_from_config(app, config, "token-file", flags.token_file);
  fill_from_config(app, config, "token-variable", flags.token_variable);
}

client::ClientOptions client_options(const ClientFlags& flags) {
  client::ClientOptions options;
  options.url = flags.url;
  options.tls = {flags.ca, flags.certificate, flags.key, flags.verify};
  options.token_file = flags.token_file;
  options.token_environment = flags.token_variable;
  options.connections = flags.connections;
  options.connect_timeout = to_ms("connect-timeout", flags.connect_timeout);
  options.deadline = to_ms("deadline", flags.deadline);
  options.retry.retries = flags.retries;
  client::validate(options);
  return options;
}

}  // namespace jetcal::cli
