// SPDX-License-Identifier: Apache-2.0
// A client connection that speaks HTTP/2: requests of HTTP and calls of gRPC, many at a time.
// Framing is libnghttp2's.
#pragma once

#include <nghttp2/nghttp2.h>

#include <cstdint>
#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

#include "jetcal/server/detail/connection.h"
#include "jetcal/server/detail/http2_stream.h"

namespace jetcal::server::detail {

class Http2Connection final : public Connection {
 public:
  Http2Connection(std::unique_ptr<Transport> transport, std::uint64_t id,
                  const ConnectionContext& context, Clock::time_point now);
  ~Http2Connection() override;

  /// Takes what was received before the protocol was known.
  void start(std::string_view first_bytes, Clock::time_point now);
  void on_readable(Clock::time_point now) override;
  void on_writable(Clock::time_point now) override;
  void deliver(Letter letter, Clock::time_point now) override;
  void flush_replies(Clock::time_point now) override { pump(now); }
  void check_deadline(Clock::time_point now) override;
  /// Ends the gRPC calls whose deadline has come with DEADLINE_EXCEEDED.
  void on_timer(Clock::time_point now) override;
  void on_hangup() override { close(); }
  /// Sends GOAWAY: calls under way are finished, new ones go to another connection.
  void drain(Clock::time_point now) override;
  bool closed() const noexcept override { return closed_; }
  bool busy() const noexcept override;
  std::uint32_t wanted_events() const noexcept override;

 private:
  struct Callbacks;  // of nghttp2
  friend struct Callbacks;

  void feed(std::span<const char> bytes, Clock::time_point now);
  /// Takes frames from nghttp2 and sends them.
  void pump(Clock::time_point now);
  bool send_output(Clock::time_point now);
  void close() noexcept;

  Http2Stream* find(std::int32_t id) noexcept;
  void headers_done(Http2Stream& stream, bool crowded);
  void start_grpc(Http2Stream& stream);
  void start_http(Http2Stream& stream);
  void take_data(Http2Stream& stream, std::span<const char> bytes);
  void request_ended(Http2Stream& stream);
  void take_grpc_message(Http2Stream& stream, BodyBuffer message);
  void look_at_message(Http2Stream& stream);
  /// Answers before the request is whole: a status of HTTP or a code of gRPC.
  void refuse(Http2Stream& stream, int status, GrpcCode code, std::string_view text);
  void refuse_stranger(Http2Stream& stream, const std::string& reason);
  template <typename Work>
  void run_grpc(Http2Stream& stream, Work work);
  void submit_http(Http2Stream& stream, HttpReply reply);
  void submit_grpc(Http2Stream& stream, GrpcLetter letter);
  void frame_message(Http2Stream& stream, GrpcLetter& letter);
  void submit_headers(Http2Stream& stream, const std::vector<nghttp2_nv>& fields, bool with_body);
  void submit_trailers(Http2Stream& stream);
  void forget(std::int32_t id, std::uint32_t error);
  void end_drain();
  void expect_deadline(Clock::time_point deadline);
  void check_stream(Http2Stream& stream, Clock::time_point now);

  nghttp2_session* session_ = nullptr;
  std::unordered_map<std::int32_t, std::unique_ptr<Http2Stream>> streams_;
  std::vector<char> input_;
  std::string output_;
  std::size_t sent_ = 0;
  bool closed_ = false, draining_ = false, ending_ = false, ping_sent_ = false;
  Clock::time_point now_, last_received_, last_sent_, idle_since_;
  Clock::time_point next_alarm_ = Clock::time_point::max();
  std::uint32_t resets_ = 0;  // since the last tick
};

}  // namespace jetcal::server::detail
