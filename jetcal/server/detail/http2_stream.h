// SPDX-License-Identifier: Apache-2.0
// One request or call of an HTTP/2 connection.
#pragma once

#include <nghttp2/nghttp2.h>

#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <string>

#include "jetcal/server/detail/grpc_framing.h"
#include "jetcal/server/detail/timer_queue.h"
#include "jetcal/server/grpc_service.h"
#include "jetcal/server/http_message.h"

namespace jetcal::server::detail {

/// Bytes on their way out of a stream: replies of HTTP with their tensors, or messages of gRPC.
class StreamOutput {
 public:
  void add(std::string bytes);
  void add(HttpReply reply);
  /// Copies up to `room` bytes to `out`, in order.
  std::size_t take(std::uint8_t* out, std::size_t room);
  bool empty() const noexcept { return parts_.empty(); }
  std::size_t bytes() const noexcept { return bytes_; }

 private:
  struct Part {
    std::string text;
    std::span<const std::byte> view;    // used when text is empty
    std::shared_ptr<const void> owner;  // shared: tensors belong to the engine's answer
  };
  std::deque<Part> parts_;
  std::size_t taken_ = 0;  // of the first part
  std::size_t bytes_ = 0;
};

struct Http2Stream {
  explicit Http2Stream(std::int32_t stream_id, Clock::time_point now)
      : id(stream_id), begun(now), moved(now), cancellation(std::make_shared<Cancellation>()) {}

  std::int32_t id;
  Clock::time_point begun;  ///< When it was opened.
  Clock::time_point moved;  ///< When a byte of its output went out last, or the first one came in.
  std::shared_ptr<Cancellation> cancellation;  // shared with responder and engine

  // What the client sends.
  HttpRequest request;
  std::size_t header_bytes = 0, header_count = 0, body_limit = 0, body_bytes = 0;
  bool refused = false;       ///< Answered before its end; the rest is dropped.
  bool request_done = false;  ///< The client has ended its side.
  bool is_head = false;       ///< The method is HEAD: the reply has no body.

  // gRPC.
  bool grpc = false;
  const GrpcServices::Method* method = nullptr;
  GrpcContext context;
  GrpcMessageReader messages;
  std::optional<BodyBuffer> message;  ///< The only one of a unary call.
  bool looked_at = false;             ///< By Method::look.
  std::unique_ptr<GrpcReader> reader;
  BodyCoding coding = BodyCoding::Identity;  ///< Of messages that go out.

  // What goes back.
  StreamOutput output;
  bool headers_sent = false, deferred = false, reply_done = false;
  std::optional<GrpcStatus> status;  ///< For the trailers.
};

}  // namespace jetcal::server::detail
