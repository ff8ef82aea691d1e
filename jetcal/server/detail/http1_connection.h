// SPDX-License-Identifier: Apache-2.0
// A client connection that speaks HTTP/1.1: reads requests, hands them over one at a time, writes
// their replies.
#pragma once

#include <http_parser.h>

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "jetcal/server/detail/connection.h"

namespace jetcal::server::detail {

/// A state machine over a non-blocking socket. Used by one thread.
///
/// A request is handed over whole; the bytes of pipelined ones wait in the input buffer until its
/// reply has been written, so replies come in order and a client that sends without reading is held
/// back.
class Http1Connection final : public Connection {
 public:
  Http1Connection(std::unique_ptr<Transport> transport, std::uint64_t id,
                  const ConnectionContext& context, Clock::time_point now);
  ~Http1Connection() override;

  void on_readable(Clock::time_point now) override;
  void on_writable(Clock::time_point now) override;
  void deliver(Letter letter, Clock::time_point now) override;
  /// 408 if a request was under way.
  void check_deadline(Clock::time_point now) override;
  void on_hangup() override { close(); }
  void drain(Clock::time_point) override { draining_ = true; }
  bool closed() const noexcept override { return phase_ == Phase::Closed; }
  bool busy() const noexcept override;
  std::uint32_t wanted_events() const noexcept override;
  Protocol next_protocol() const noexcept override {
    return phase_ == Phase::Switching ? Protocol::Http2 : Protocol::Same;
  }
  std::string_view first_bytes() const noexcept override {
    return {input_.data() + begin_, end_ - begin_};
  }

 private:
  enum class Phase { Idle, Head, Body, Handling, Sending, Lingering, Switching, Closed };
  struct Callbacks;  // of http_parser
  friend struct Callbacks;

  bool reading_request() const noexcept;
  void read_more(Clock::time_point now);
  /// Receives once; returns false when there is nothing more to do now.
  bool receive();
  bool receive_into_body(Clock::time_point now);
  void swallow();  // reads and drops what comes after the last request
  void parse_input(Clock::time_point now);
  bool looks_like_http2(Clock::time_point now);
  std::size_t parse(const char* data, std::size_t size, Clock::time_point now);
  int on_headers_complete();
  int add_header_bytes(std::size_t count);
  int refuse(int status, std::string_view text);
  void begin_request(Clock::time_point now);
  void hand_over();
  void refuse_request(Clock::time_point now);
  void peer_closed();
  void queue_reply(HttpReply reply, Clock::time_point now);
  void send_interim(std::string_view text);
  void flush(Clock::time_point now);
  void reply_sent(Clock::time_point now);
  void linger(Clock::time_point now);
  void close() noexcept;
  Clock::time_point moving_deadline(std::size_t bytes) const;

  Phase phase_ = Phase::Idle;
  Clock::time_point deadline_, phase_begun_;
  bool draining_ = false, input_ended_ = false, keep_alive_ = true;
  bool first_request_ = true;  // only before it may a client say that it speaks HTTP/2

  http_parser parser_{};
  std::vector<char> input_;          // allocated once
  std::size_t begin_ = 0, end_ = 0;  // unparsed bytes in input_
  HttpRequest request_;
  std::size_t header_bytes_ = 0;
  bool in_header_value_ = false, head_done_ = false, complete_ = false;
  std::size_t max_body_ = 0, body_bytes_ = 0;
  std::optional<HttpReply> refusal_;         // set inside a callback that stops the parser
  std::optional<HttpReply> early_reply_;     // goes out when the body has passed unread
  std::shared_ptr<Cancellation> cancelled_;  // shared with the responder

  HttpReply reply_;
  std::string reply_head_;
  std::string interim_;  // what the socket has not taken of a reply before the reply
  std::size_t sent_ = 0, reply_bytes_ = 0, swallowed_ = 0;
};

}  // namespace jetcal::server::detail
