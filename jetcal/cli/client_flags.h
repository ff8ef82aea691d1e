// SPDX-License-Identifier: Apache-2.0
// The flags of every verb that asks a server.
#pragma once

#include <CLI/CLI.hpp>
#include <string>

#include "jetcal/base/config.h"
#include "jetcal/client/client.h"

namespace jetcal::cli {

/// How a server is asked, as flags say it.
struct ClientFlags {
  std::string url, ca, certificate, key, token_file, token_variable;
  bool verify = true;
  int connections = 1, retries = 8;
  double deadline = 600, connect_timeout = 10;  // seconds
};

/// Adds --url, --connections, --retries, --deadline and what TLS and tokens need.
void add_client_flags(CLI::App& app, ClientFlags& flags);

/// Replaces what no flag has given by the fields of the configuration.
void fill_client_flags(const CLI::App& app, const Config& config, ClientFlags& flags);

/// Returns the client's options. Throws InvalidArgument as client::validate().
client::ClientOptions client_options(const ClientFlags& flags);

}  // namespace jetcal::cli
