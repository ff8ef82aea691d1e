// SPDX-License-Identifier: Apache-2.0
// Signed HTTP requests with bodies in memory or in files, over libcurl.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

namespace jetcal::store::detail {

struct HttpRequest {
  std::string method = "GET";  ///< GET, HEAD, PUT or DELETE.
  std::string url;
  std::vector<std::string> headers;
  std::string_view body;  ///< Of a PUT, unless `source` is a file.
  int source = -1;        ///< File whose first `source_bytes` bytes are the body.
  std::int64_t source_bytes = 0;
  int sink = -1;  ///< File that takes the body of a good answer, from its start.
};

struct HttpAnswer {
  long status = 0;                             ///< 0: no answer came.
  std::map<std::string, std::string> headers;  ///< Names in small letters.
  std::string body;                            ///< Unless the sink took it.
  std::int64_t bytes = 0;                      ///< Of the body as it came.
  std::string failure;                         ///< Why no whole answer came, "" when one did.
  bool truncated = false;                      ///< The body ended before its announced size.
  bool may_pass = false;                       ///< The failure is one that may pass.
  int disk_error = 0;                          ///< errno of writing to the sink or reading.
};

/// Who signs (AWS signature version 4, service s3) and how servers are trusted.
struct HttpIdentity {
  std::string access_key, secret_key, region;
  std::string ca_file;  ///< "": the library's own.
};

/// Sends requests; connections stay open for the next one. Thread-safe.
class HttpClient {
 public:
  explicit HttpClient(std::function<bool()> should_stop);
  ~HttpClient();
  HttpClient(const HttpClient&) = delete;
  HttpClient& operator=(const HttpClient&) = delete;
  /// Sends one request once; never throws for what server or network do. It ends when
  /// should_stop() says so.
  HttpAnswer send(const HttpRequest& request, const HttpIdentity& identity) const;

 private:
  void* take_handle() const;
  const std::function<bool()> should_stop_;
  mutable std::mutex mutex_;
  mutable std::vector<void*> idle_;  // CURL*, so that this header needs no curl
};

}  // namespace jetcal::store::detail
