// SPDX-License-Identifier: Apache-2.0
// gRPC methods as functions of message bytes: what stands above the HTTP/2 of an HttpServer.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "jetcal/base/cancellation.h"
#include "jetcal/base/error.h"
#include "jetcal/server/http_message.h"

namespace jetcal::server {

namespace detail {
struct Mailbox;
class TaskThread;
}  // namespace detail

/// Numbers of the gRPC status codes.
enum class GrpcCode {
  Ok = 0,
  Cancelled = 1,
  Unknown = 2,
  InvalidArgument = 3,
  DeadlineExceeded = 4,
  NotFound = 5,
  AlreadyExists = 6,
  ResourceExhausted = 8,
  Unimplemented = 12,
  Internal = 13,
  Unavailable = 14,
  Unauthenticated = 16,
};

struct GrpcStatus {
  GrpcCode code = GrpcCode::Ok;
  std::string message;
};

/// The status of an Error, by the table of status_map.h.
GrpcStatus grpc_status(const Error& error);

/// A message that goes out: `head`, then the bytes of `tail`, which `owner` keeps alive.
struct GrpcMessage {
  std::string head;
  std::vector<std::span<const std::byte>> tail;
  std::shared_ptr<const void> owner;  // shared: tensors belong to the engine's answer
};

/// What a call came with.
struct GrpcContext {
  HttpHead head;  ///< Metadata among the headers, names in lower case.
  std::optional<std::chrono::steady_clock::time_point> deadline;  ///< From grpc-timeout.
};

/// Answers one call, from any thread. Destroyed before finish() it sends INTERNAL.
class GrpcResponder {
 public:
  GrpcResponder(std::shared_ptr<detail::Mailbox> mailbox, std::uint64_t connection,
                std::uint32_t stream, std::shared_ptr<Cancellation> cancellation);
  ~GrpcResponder();
  GrpcResponder(GrpcResponder&&) noexcept = default;
  GrpcResponder& operator=(GrpcResponder&&) = delete;

  /// Sends one more message of a stream.
  void write(GrpcMessage message);
  /// Ends the call.
  void finish(GrpcStatus status);
  /// Sends the only message of a unary call and ends it.
  void reply(GrpcMessage message);
  /// How long the thread that calls may work on the request itself: asked once for each. Threads
  /// that read requests have more time when no other one waits for them.
  std::chrono::nanoseconds turn() const;
  /// Raised when the client cancels, disconnects or its deadline passes. Stays valid after the
  /// responder has been moved or used.
  const std::shared_ptr<Cancellation>& cancellation() const noexcept { return cancellation_; }

 private:
  void post(std::optional<GrpcMessage> message, std::optional<GrpcStatus> status);
  std::shared_ptr<detail::Mailbox> mailbox_;  // shared: the loop may end before the answer comes
  std::uint64_t connection_;
  std::uint32_t stream_;
  std::shared_ptr<Cancellation> cancellation_;  // shared with the connection and the engine
};

/// Takes the messages of one call that streams. Used by the I/O thread of the connection: must not
/// block; what it throws ends the call with that error.
class GrpcReader {
 public:
  virtual ~GrpcReader() = default;  ///< The call is over, however it ended.
  virtual void on_message(BodyBuffer message) = 0;
  /// The client sends no more.
  virtual void on_end() = 0;
};

/// Names the methods that are served. Filled before the server starts, unchanged after.
class GrpcServices {
 public:
  /// Called on the I/O thread with the only message of a call: must not block. What it throws ends
  /// the call with that error, if the responder has not been moved from.
  using Unary = std::function<void(const GrpcContext&, BodyBuffer, GrpcResponder&)>;
  /// Looks at what has come of a large message, once: an error ends the call, and the rest is
  /// dropped. Called on the I/O thread; never with a compressed message.
  using Look = std::function<std::optional<Error>(std::string_view begun)>;
  /// Opens a call whose messages go to the reader that it returns.
  using Stream = std::function<std::unique_ptr<GrpcReader>(const GrpcContext&, GrpcResponder)>;
  /// Returns the reply's bytes, or throws an Error. May take its time.
  using Blocking = std::function<std::string(const GrpcContext&, std::string_view request)>;

  GrpcServices();
  ~GrpcServices();
  GrpcServices(const GrpcServices&) = delete;
  GrpcServices& operator=(const GrpcServices&) = delete;

  /// `path` is "/package.Service/Method". Throws AlreadyExists for one that is there.
  void add_unary(const std::string& path, Unary handler, Look look = nullptr);
  void add_stream(const std::string& path, Stream handler);
  /// Runs on one thread of its own, shared by all blocking methods: one call at a time.
  void add_blocking(const std::string& path, Blocking handler);
  /// Bounds the size of a message that comes in, after decompression; 64 MiB.
  void set_max_message_bytes(std::size_t bytes) noexcept { max_message_bytes_ = bytes; }
  std::size_t max_message_bytes() const noexcept { return max_message_bytes_; }

  struct Method {
    Unary unary;    ///< Empty for a streaming method.
    Stream stream;  ///< Empty for a unary one.
    Look look;      ///< Empty where every message is read to its end.
  };
  /// nullptr for an unknown path.
  const Method* find(const std::string& path) const;
  /// Tells whether any method of the service of `path` is there.
  bool knows_service(std::string_view path) const;

 private:
  void add(const std::string& path, Method method);
  std::map<std::string, Method, std::less<>> methods_;
  std::size_t max_message_bytes_ = std::size_t{64} << 20;
  std::shared_ptr<detail::TaskThread> tasks_;  // shared: made at the first blocking method
};

}  // namespace jetcal::server
