// SPDX-License-Identifier: Apache-2.0
// A plain HTTP/1.1 client with one kept-alive connection, for measuring and for tests.
#pragma once

#include <chrono>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "jetcal/server/http_message.h"

namespace jetcal::server {

struct HttpResult {
  int status = 0;
  std::vector<HttpHeader> headers;  ///< Names in lower case.
  std::string body;

  /// Finds a header by its lower-case name; nullptr when it is absent.
  const std::string* find(std::string_view name) const noexcept;
};

/// Waits for each answer. Connects at the first request, and anew when the server has closed. Not
/// thread-safe.
class HttpClient {
 public:
  HttpClient(std::string host, int port, std::chrono::milliseconds timeout);
  ~HttpClient();
  HttpClient(const HttpClient&) = delete;
  HttpClient& operator=(const HttpClient&) = delete;

  /// Sends a request whose body is the parts in a row. Throws Unavailable when the server cannot be
  /// reached or ends in the middle of its answer, DeadlineExceeded when it says nothing for the
  /// timeout, DataLoss for an answer that is no HTTP.
  HttpResult request(std::string_view method, const std::string& path,
                     std::span<const HttpHeader> headers = {},
                     std::span<const std::string_view> body = {});

 private:
  struct Reader;
  void connect();
  void disconnect() noexcept;
  bool send_all(std::span<const std::string_view> parts);
  HttpResult read_answer(bool head_only);

  std::string host_;
  int port_;
  std::chrono::milliseconds timeout_;
  int socket_ = -1;
  std::unique_ptr<Reader> reader_;
};

}  // namespace jetcal::server
