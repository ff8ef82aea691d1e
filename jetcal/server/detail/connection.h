// SPDX-License-Identifier: Apache-2.0
// One client connection: reads requests, hands them over one at a time, writes their replies.
#pragma once

#include <http_parser.h>

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "jetcal/server/detail/mailbox.h"
#include "jetcal/server/http_server.h"

namespace jetcal::server::detail {

using Clock = std::chrono::steady_clock;

/// Counters of one event loop; read by other threads.
struct LoopCounters {
  std::atomic<std::uint64_t> connections{0}, rejected_connections{0}, requests{0}, bad_requests{0},
      timeouts{0};
};

/// What a connection needs from its loop.
struct ConnectionContext {
  const HttpOptions& options;
  HttpHandler& handler;
  const std::shared_ptr<Mailbox>& mailbox;
  LoopCounters& counters;
};

/// A state machine over a non-blocking socket. Used by one thread.
///
/// A request is handed over whole; the bytes of pipelined ones wait in the input buffer until its
/// reply has been written, so replies come in order and a client that sends without reading is held
/// back.
class Connection {
 public:
  Connection(int socket, std::uint64_t id, const ConnectionContext& context, Clock::time_point now);
  ~Connection();
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  void on_readable(Clock::time_point now);
  void on_writable(Clock::time_point now);
  /// Takes the reply to the request handed over last.
  void deliver(HttpReply reply, Clock::time_point now);
  /// Gives up when the deadline has passed: 408 if a request was under way.
  void check_deadline(Clock::time_point now);
  /// Ends a connection whose both directions are gone.
  void on_hangup() noexcept { close(); }
  /// Makes the next reply the last.
  void drain() noexcept { draining_ = true; }

  int socket() const noexcept { return socket_; }
  bool closed() const noexcept { return phase_ == Phase::Closed; }
  /// Tells whether a request has begun and its reply is not out yet.
  bool busy() const noexcept;
  /// Returns the epoll events to ask for.
  std::uint32_t wanted_events() const noexcept;
  std::uint32_t watched_events = 0;  ///< What epoll was asked for last; kept by the loop.

 private:
  enum class Phase { Idle, Head, Body, Handling, Sending, Lingering, Closed };
  struct Callbacks;  // of http_parser
  friend struct Callbacks;

  bool reading_request() const noexcept;
  void read_more(Clock::time_point now);
  /// Receives once; returns false when there is nothing more to do now.
  bool receive();
  bool receive_into_body(Clock::time_point now);
  void swallow();  // reads and drops what comes after the last request
  void parse_input(Clock::time_point now);
  std::size_t parse(const char* data, std::size_t size, Clock::time_point now);
  int on_headers_complete();
  int add_header_bytes(std::size_t count);
  int refuse(int status, std::string_view text);
  void begin_request(Clock::time_point now);
  void hand_over();
  void refuse_request(Clock::time_point now);
  void peer_closed();
  void queue_reply(HttpReply reply, Clock::time_point now);
  void send_now(std::string_view text);
  void flush(Clock::time_point now);
  void reply_sent(Clock::time_point now);
  void linger(Clock::time_point now);
  void close() noexcept;
  Clock::time_point moving_deadline(std::size_t bytes) const;

  int socket_;
  std::uint64_t id_;
  ConnectionContext context_;
  Phase phase_ = Phase::Idle;
  Clock::time_point deadline_, phase_begun_;
  bool draining_ = false, input_ended_ = false, keep_alive_ = true;

  http_parser parser_{};
  std::vector<char> input_;          // allocated once
  std::size_t begin_ = 0, end_ = 0;  // unparsed bytes in input_
  HttpRequest request_;
  std::size_t header_bytes_ = 0;
  bool in_header_value_ = false, head_done_ = false, complete_ = false;
  std::size_t max_body_ = 0;
  std::optional<HttpReply> refusal_;              // set inside a callback that stops the parser
  std::shared_ptr<std::atomic<bool>> cancelled_;  // shared with the responder

  HttpReply reply_;
  std::string reply_head_;
  std::size_t sent_ = 0, reply_bytes_ = 0, swallowed_ = 0;
};

}  // namespace jetcal::server::detail
