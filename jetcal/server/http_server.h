// SPDX-License-Identifier: Apache-2.0
// A server on epoll of HTTP/1.1 (keep-alive, pipelining, chunked bodies) and, on the same port,
// HTTP/2 and gRPC; with or without TLS; limits, draining. It knows no protocol above them.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "jetcal/base/cancellation.h"
#include "jetcal/server/http_message.h"

namespace jetcal::server {

class BearerTokens;
class GrpcServices;
class TlsCredentials;

namespace detail {
class EventLoop;
struct Mailbox;
}  // namespace detail

/// Limits and addresses of an HttpServer.
struct HttpOptions {
  std::string host = "127.0.0.1";
  int port = 0;  ///< 0 picks a free one; see HttpServer::port().
  int io_threads = 1;
  std::size_t max_connections = 1024;      ///< One more gets 503 and is closed.
  std::size_t max_header_bytes = 32768;    ///< Target and headers; more gets 431.
  std::size_t min_bytes_per_second = 1024; /**< A body or reply that moves slower on average, after
                                                `stall_timeout`, is given up. */
  std::chrono::milliseconds idle_timeout{75000};   ///< Between requests of a connection.
  std::chrono::milliseconds head_timeout{10000};   ///< First byte to last header; TLS handshake.
  std::chrono::milliseconds stall_timeout{30000};  ///< Start-up allowance of a body or reply.
  std::chrono::milliseconds drain_timeout{10000};  ///< For requests in flight when it stops.
  std::size_t max_streams = 1024;                  ///< Of HTTP/2, at a time on one connection.
  /// An HTTP/2 client that is silent for this long while it waits for answers is sent a ping; one
  /// that does not answer it within `stall_timeout` is taken for dead.
  std::chrono::milliseconds ping_interval{60000};
  /// While events come in less than this, an I/O thread stays awake for the next; 0: it sleeps.
  std::chrono::microseconds busy_poll{0};
};

/// Throws InvalidArgument naming the field that is out of range.
void validate(const HttpOptions& options);

/// How the body of a request may be read; decided from its head.
struct BodyPlan {
  std::size_t max_bytes = std::size_t{64} << 20;  ///< More gets 413.
  std::size_t align_at = 0;                       ///< Offset to put on a 64-byte boundary.
  /// The answer, if it needs no body: what comes of one is dropped, and a client that asks first
  /// (Expect) need not send it.
  std::optional<HttpReply> reply = {};
};

/// Answers one request, once, from any thread. Destroyed without an answer it sends 500.
class Responder {
 public:
  Responder(std::shared_ptr<detail::Mailbox> mailbox, std::uint64_t connection,
            std::uint32_t stream, std::shared_ptr<Cancellation> cancellation);
  ~Responder();
  Responder(Responder&&) noexcept = default;
  Responder& operator=(Responder&&) = delete;

  void send(HttpReply reply);
  /// How long the thread that calls may work on the request itself: asked once for each. Threads
  /// that read requests have more time when no other one waits for them.
  std::chrono::nanoseconds turn() const;
  /// Raised when the client has gone. Stays valid after the responder has been moved or used.
  const std::shared_ptr<Cancellation>& cancellation() const noexcept { return cancellation_; }

 private:
  std::shared_ptr<detail::Mailbox> mailbox_;  // shared: the loop may end before the answer comes
  std::uint64_t connection_;
  std::uint32_t stream_;
  std::shared_ptr<Cancellation> cancellation_;  // shared with the connection and the engine
};

/// What stands above HTTP. Called on I/O threads, several at a time: must not block.
class HttpHandler {
 public:
  virtual ~HttpHandler() = default;
  virtual BodyPlan plan_body(const HttpHead& head) = 0;
  virtual void handle(HttpRequest request, Responder responder) = 0;
};

/// Answers 404 to everything, for a server of gRPC alone.
class NoHttp final : public HttpHandler {
 public:
  BodyPlan plan_body(const HttpHead& head) override;
  void handle(HttpRequest request, Responder responder) override;
};

/// Counts what a server did since its start.
struct HttpCounters {
  std::uint64_t connections = 0;           ///< Accepted.
  std::uint64_t rejected_connections = 0;  ///< Over max_connections.
  std::uint64_t requests = 0;              ///< Given to the handler.
  std::uint64_t grpc_calls = 0;            ///< Given to a gRPC method.
  std::uint64_t bad_requests = 0;          ///< Refused by HTTP itself: malformed or over a limit.
  std::uint64_t timeouts = 0;              ///< Connections given up for slowness while in use.
  std::uint64_t unauthorized = 0;          ///< Requests and calls without a token that counts.
  std::uint64_t tls_failures = 0;          ///< Connections whose handshake failed.

  HttpCounters& operator+=(const HttpCounters& more) noexcept;
};

/// Who is let in. What it points to must outlive the server.
struct HttpSecurity {
  const TlsCredentials* tls = nullptr;   ///< Without it connections are plain TCP.
  const BearerTokens* tokens = nullptr;  ///< Without it no request needs a token.
};

/// Listens from construction, serves from start() to stop().
class HttpServer {
 public:
  /// Throws FailedPrecondition when the port is in use, InvalidArgument for a bad host or option.
  /// `grpc` must outlive the server; without it gRPC calls are answered with UNIMPLEMENTED.
  HttpServer(const HttpOptions& options, HttpHandler& handler, const GrpcServices* grpc = nullptr,
             const HttpSecurity& security = {});
  ~HttpServer();
  HttpServer(const HttpServer&) = delete;
  HttpServer& operator=(const HttpServer&) = delete;

  /// Returns the bound port.
  int port() const noexcept { return port_; }
  void start();
  /// Accepts no more, waits for requests in flight (bounded by drain_timeout), closes everything.
  /// Returns the number of requests it gave up on.
  std::size_t stop();
  HttpCounters counters() const;

 private:
  HttpOptions options_;
  int listener_ = -1;
  int port_ = 0;
  std::atomic<std::size_t> open_connections_{0};
  std::vector<std::unique_ptr<detail::EventLoop>> loops_;
};

}  // namespace jetcal::server
