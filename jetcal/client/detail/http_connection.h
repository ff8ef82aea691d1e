// SPDX-License-Identifier: Apache-2.0
// One kept-alive connection: a request goes out, a reply or the reason why there is none comes
// back.
#pragma once

#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "jetcal/client/client_options.h"

namespace jetcal::client::detail {

/// Why there is no reply.
enum class Failure {
  None,
  NotConnected,  ///< Nothing was sent.
  Broken,        ///< The connection ended while the request was under way.
  TimedOut,
  NotTrusted,  ///< TLS: a certificate or key is missing, wrong or refused.
  Malformed,   ///< What came back is no HTTP, or larger than allowed.
};

struct HttpRequest {
  std::string_view method = "GET";
  std::string path;  ///< From /v2 on.
  std::string_view body;
  std::vector<std::string> headers;  ///< Whole lines.
  std::chrono::milliseconds limit{0};
  bool fresh = false;  ///< On a new connection, so that nothing below sends it twice.
};

struct HttpOutcome {
  Failure failure = Failure::None;
  std::string reason;  ///< Of the failure.
  long status = 0;
  std::string body;
  std::optional<std::size_t> json_length;  ///< Inference-Header-Content-Length
  std::optional<std::chrono::milliseconds> retry_after;
};

/// Not thread-safe. Connects at the first request.
class HttpConnection {
 public:
  explicit HttpConnection(const ClientOptions& options);
  ~HttpConnection();
  HttpConnection(const HttpConnection&) = delete;
  HttpConnection& operator=(const HttpConnection&) = delete;

  HttpOutcome exchange(const HttpRequest& request);

 private:
  void set_constant_options();
  HttpOutcome explain(int code, HttpOutcome outcome) const;

  struct Handle;
  const ClientOptions& options_;
  std::string base_;
  std::unique_ptr<Handle> handle_;
};

}  // namespace jetcal::client::detail
