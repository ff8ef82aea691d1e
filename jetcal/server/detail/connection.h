// SPDX-License-Identifier: Apache-2.0
// What the event loop knows of a client connection, whatever it speaks.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <memory>
#include <string_view>

#include "jetcal/server/bearer_tokens.h"
#include "jetcal/server/detail/mailbox.h"
#include "jetcal/server/detail/timer_queue.h"
#include "jetcal/server/detail/transport.h"
#include "jetcal/server/grpc_service.h"
#include "jetcal/server/http_server.h"

namespace jetcal::server::detail {

/// Counters of one event loop; read by other threads.
struct LoopCounters {
  std::atomic<std::uint64_t> connections{0}, rejected_connections{0}, requests{0}, bad_requests{0},
      timeouts{0}, grpc_calls{0}, unauthorized{0}, tls_failures{0};
};

/// What a connection needs from its loop.
struct ConnectionContext {
  const HttpOptions& options;
  HttpHandler& handler;
  const GrpcServices* grpc;
  const BearerTokens* tokens;
  const std::shared_ptr<Mailbox>& mailbox;
  TimerQueue& timers;
  LoopCounters& counters;
};

/// What a connection is to become.
enum class Protocol { Same, Http1, Http2 };

/// A state machine over a non-blocking socket. Used by one thread.
class Connection {
 public:
  Connection(std::unique_ptr<Transport> transport, std::uint64_t id,
             const ConnectionContext& context)
      : transport_(std::move(transport)), id_(id), context_(context) {}
  virtual ~Connection() = default;
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  virtual void on_readable(Clock::time_point now) = 0;
  virtual void on_writable(Clock::time_point now) = 0;
  /// Takes a reply to a request that was handed over.
  virtual void deliver(Letter letter, Clock::time_point now) = 0;
  /// Sends what deliver() has left; called after the last one of a round.
  virtual void flush_replies(Clock::time_point) {}
  /// Gives up what is too slow; called every few hundred milliseconds.
  virtual void check_deadline(Clock::time_point now) = 0;
  /// Tells that a time set in the timer queue has come.
  virtual void on_timer(Clock::time_point) {}
  /// Ends a connection whose both directions are gone.
  virtual void on_hangup() = 0;
  /// Makes what is under way the last.
  virtual void drain(Clock::time_point now) = 0;
  virtual bool closed() const noexcept = 0;
  /// Tells whether a request has begun and its reply is not out yet.
  virtual bool busy() const noexcept = 0;
  /// Returns the epoll events to ask for.
  virtual std::uint32_t wanted_events() const noexcept = 0;
  /// Tells what the client speaks: take the transport and first_bytes() to such a connection.
  virtual Protocol next_protocol() const noexcept { return Protocol::Same; }
  virtual std::string_view first_bytes() const noexcept { return {}; }

  int socket() const noexcept { return transport_->socket(); }
  /// Tells whether there is input that the socket does not show.
  bool holds_input() const noexcept { return transport_->holds_input(); }
  std::unique_ptr<Transport> release_transport() noexcept { return std::move(transport_); }
  std::uint64_t id() const noexcept { return id_; }
  std::uint32_t watched_events = 0;  ///< What epoll was asked for last; kept by the loop.

 protected:
  std::unique_ptr<Transport> transport_;
  std::uint64_t id_;
  ConnectionContext context_;
};

}  // namespace jetcal::server::detail
