// SPDX-License-Identifier: Apache-2.0
// How gRPC puts messages, deadlines and status texts on HTTP/2.
#pragma once

#include <chrono>
#include <cstddef>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "jetcal/server/body_coding.h"
#include "jetcal/server/grpc_service.h"

namespace jetcal::server::detail {

/// Cuts a stream of bytes into length-prefixed messages and expands compressed ones.
class GrpcMessageReader {
 public:
  using Sink = std::function<void(BodyBuffer)>;

  GrpcMessageReader() = default;
  GrpcMessageReader(BodyCoding coding, std::size_t max_bytes)
      : coding_(coding), max_bytes_(max_bytes) {}

  /// Takes bytes as they come and hands each whole message to the sink. Throws ResourceExhausted
  /// for a message over the limit, InvalidArgument for a malformed one.
  void feed(std::span<const char> bytes, const Sink& sink);
  /// Tells whether the bytes so far end between two messages.
  bool at_boundary() const noexcept { return prefix_size_ == 0; }
  /// What has come of a message that is not whole yet; empty for a compressed one.
  std::string_view begun() const noexcept {
    return at_boundary() || compressed_ ? std::string_view() : message_.view();
  }

 private:
  static constexpr std::size_t kPrefix = 5;
  void begin_message();
  BodyCoding coding_ = BodyCoding::Identity;
  std::size_t max_bytes_ = 0;
  char prefix_[kPrefix] = {};
  std::size_t prefix_size_ = 0, length_ = 0;
  bool compressed_ = false;
  BodyBuffer message_;
};

/// Reads grpc-encoding: nothing for one that is not supported.
std::optional<BodyCoding> grpc_coding(const HttpHead& head);
/// Tells whether the client can read messages of a coding.
bool grpc_accepts(const HttpHead& head, BodyCoding coding);

/// Appends prefix and bytes of a message, compressed when `coding` says so.
void append_grpc_message(std::string& out, const GrpcMessage& message, BodyCoding coding);

/// Reads grpc-timeout, e.g. "100m"; nothing when it is malformed.
std::optional<std::chrono::nanoseconds> parse_grpc_timeout(std::string_view text);

/// Encodes what a header cannot hold as %XX; a long text ends with "...", because clients take
/// little metadata, and HTTP/2 sends no header above 64 KiB.
std::string encode_grpc_text(std::string_view text);

}  // namespace jetcal::server::detail
