// SPDX-License-Identifier: Apache-2.0
// Says which server to ask, who we are, and how patient we are.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <string>

namespace jetcal::client {

/// How a server is trusted and how we prove who we are; for https only. Files are in PEM.
struct TlsOptions {
  std::filesystem::path authority;         ///< Certificates to trust; empty: the machine's.
  std::filesystem::path certificate, key;  ///< Ours, for mutual TLS; both or none.
  bool verify = true;                      ///< Off, any certificate is taken: for tests only.
};

/// What is tried again, how often, and after which pauses.
struct RetryOptions {
  int retries = 6;  ///< After the first attempt; 0 tries once.
  std::chrono::milliseconds first_pause{100};
  std::chrono::milliseconds longest_pause{5000};
  std::uint64_t seed = 0;  ///< Of the part of a pause that is left to chance; 0: from the clock.
};

/// Everything that a Client is made from.
struct ClientOptions {
  std::string url = "http://127.0.0.1:8000";  ///< http:// or https://, host, port, path before /v2
  TlsOptions tls;
  /// A bearer token for every request: the first line of a file, read again when the server says
  /// 401, or the value of an environment variable. Both empty: none.
  std::filesystem::path token_file;
  std::string token_environment;
  int connections = 1;  ///< Kept alive; as many requests are under way at a time.
  std::chrono::milliseconds connect_timeout{10000};
  /// Of a request with all its attempts and pauses, and the wait for a free connection.
  std::chrono::milliseconds deadline{600000};
  RetryOptions retry;
  std::size_t max_reply_bytes = std::size_t{4} << 30U;
};

/// Throws InvalidArgument naming the field that is wrong: an url of another form, a key without a
/// certificate, a number out of range, two sources of a token.
void validate(const ClientOptions& options);

}  // namespace jetcal::client
