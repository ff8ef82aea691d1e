// SPDX-License-Identifier: Apache-2.0
// One HTTP request and its answer, over libcurl: bodies in memory or in files.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
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
  int source = -1;                   ///< File of which a PUT sends `source_bytes` bytes.
  std::int64_t source_begin = 0, source_bytes = 0;
  int sink = -1;                     ///< File that takes the body of a good answer, from its start.
  std::size_t most_kept = SIZE_MAX;  ///< Bytes of the answer's body that stay in memory.
  std::size_t largest = SIZE_MAX;    ///< Bytes of its body; one with more is Malformed.
  std::chrono::milliseconds connect_limit{5000};
  std::chrono::milliseconds limit{0};  ///< For all of it; 0: until 30 seconds pass without a byte.
  bool fresh = false;   ///< On a new connection, so that nothing below sends it twice.
  bool http2 = false;   ///< Without asking the server first, as gRPC does; else HTTP/1.1.
  bool direct = false;  ///< Never through a proxy, as within a cluster.
};

/// Why no whole answer came.
enum class Failure {
  None,
  NotConnected,  ///< Nothing was sent.
  Broken,        ///< The connection ended while the request was under way.
  TimedOut,
  NotTrusted,  ///< TLS: a certificate or key is missing, wrong or refused.
  Malformed,   ///< What came is no HTTP, or longer than allowed.
  Stopped,     ///< By should_stop().
  Local,       ///< The request could not be made, or a file not be read or written.
};

struct Answer {
  long status = 0;         ///< 0: no answer came.
  std::string head;        ///< Lines of header and trailer, as they came.
  std::string body;        ///< Unless the sink took it.
  std::int64_t bytes = 0;  ///< Of the body as it came.
  Failure failure = Failure::None;
  std::string reason;                   ///< Of the failure.
  bool truncated = false;               ///< It ended before its announced size, or within its head.
  int disk_error = 0;                   ///< errno of writing to the sink or reading.
  std::chrono::seconds retry_after{0};  ///< When the server wants to be asked again.

  /// The last header or trailer of a name, in whatever letters; "" when it is absent.
  std::string header(std::string_view name) const;
  /// Tells whether the failure is one that may pass.
  bool may_pass() const noexcept {
    return failure == Failure::NotConnected || failure == Failure::Broken ||
           failure == Failure::TimedOut;
  }
};

/// Who signs, by AWS signature version 4 for the service s3; nobody without a key.
struct Identity {
  std::string access_key, secret_key, region;
};

/// How servers are trusted and how we prove who we are; for https only. Files are in PEM.
struct Trust {
  std::string ca_file = {};                ///< "": the library's own.
  std::string certificate = {}, key = {};  ///< Ours, for mutual TLS; both or none.
  bool verify = true;                      ///< Off, any certificate is taken: for tests only.
};

/// Sends requests; connections stay open for the next one, as many as were in use at a time.
/// Thread-safe.
class Client {
 public:
  /// A request ends when should_stop() says so.
  explicit Client(std::function<bool()> should_stop = {}, Trust trust = {});
  ~Client();
  Client(const Client&) = delete;
  Client& operator=(const Client&) = delete;
  /// Sends one request once; never throws for what server or network do.
  Answer send(const Request& request, const Identity& identity = {}) const;

 private:
  struct Handle;
  std::unique_ptr<Handle> take_handle() const;
  const std::function<bool()> should_stop_;
  const Trust trust_;
  mutable std::mutex mutex_;
  mutable std::vector<std::unique_ptr<Handle>> idle_;  // the one used last is used next
};

}  // namespace jetcal::http
