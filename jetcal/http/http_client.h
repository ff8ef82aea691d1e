// SPDX-License-Identifier: Apache-2.0
// One HTTP request and its answer, over libcurl: bodies in memory or in files.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

namespace jetcal::http {

struct Request {
  std::string method = "GET";
  std::string url;
  std::vector<std::string> headers;  ///< Whole lines.
  std::string_view body;             ///< Unless `source` is a file.
  int source = -1;                   ///< File whose first `source_bytes` bytes a PUT sends.
  std::int64_t source_bytes = 0;
  int sink = -1;                     ///< File that takes the body of a good answer, from its start.
  std::size_t most_kept = SIZE_MAX;  ///< Bytes of the answer's body that stay in memory.
  std::chrono::milliseconds limit{0};  ///< For all of it; 0: as long as bytes flow.
  bool http2 = false;                  ///< Without asking the server first, as gRPC does.
  bool direct = false;                 ///< Never through a proxy, as within a cluster.
};

struct Answer {
  long status = 0;                             ///< 0: no answer came.
  std::map<std::string, std::string> headers;  ///< And trailers. Names in small letters.
  std::string body;                            ///< Unless the sink took it.
  std::int64_t bytes = 0;                      ///< Of the body as it came.
  std::string failure;                         ///< Why no whole answer came, "" when one did.
  bool truncated = false;                      ///< The body ended before its announced size.
  bool may_pass = false;                       ///< The failure is one that may pass.
  int disk_error = 0;                          ///< errno of writing to the sink or reading.

  /// A header or trailer by its name in small letters; "" when it is absent.
  std::string header(const std::string& name) const;
};

/// Who signs (AWS signature version 4, service s3; nobody without a key) and how servers are
/// trusted.
struct Identity {
  std::string access_key, secret_key, region;
  std::string ca_file;  ///< "": the library's own.
};

/// Sends requests; connections stay open for the next one. Thread-safe.
class Client {
 public:
  /// A request ends when should_stop() says so.
  explicit Client(std::function<bool()> should_stop = {});
  ~Client();
  Client(const Client&) = delete;
  Client& operator=(const Client&) = delete;
  /// Sends one request once; never throws for what server or network do. It ends when 30 seconds
  /// pass without a byte.
  Answer send(const Request& request, const Identity& identity = {}) const;

 private:
  void* take_handle() const;
  const std::function<bool()> should_stop_;
  mutable std::mutex mutex_;
  mutable std::vector<void*> idle_;  // CURL*, so that this header needs no curl
};

}  // namespace jetcal::http
