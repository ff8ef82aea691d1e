// SPDX-License-Identifier: Apache-2.0
// Brings replies from any thread to the I/O thread that owns the connection.
#pragma once

#include <chrono>
#include <cstdint>
#include <mutex>
#include <thread>
#include <variant>
#include <vector>

#include "jetcal/server/grpc_service.h"
#include "jetcal/server/http_message.h"

namespace jetcal::server::detail {

/// A part of the answer to a gRPC call: a message, its end, or both.
struct GrpcLetter {
  std::optional<GrpcMessage> message;
  std::optional<GrpcStatus> status;
};

struct Letter {
  std::uint64_t connection = 0;
  std::uint32_t stream = 0;  ///< Of HTTP/2; 0 in HTTP/1.1.
  std::variant<HttpReply, GrpcLetter> content;
};

/// A queue of replies with an eventfd that wakes the event loop. Thread-safe.
struct Mailbox {
  Mailbox();
  ~Mailbox();
  Mailbox(const Mailbox&) = delete;
  Mailbox& operator=(const Mailbox&) = delete;

  void post(Letter letter);
  /// Takes what has come. Called by the loop, which sets `owner` first.
  std::vector<Letter> take();
  /// Wakes the loop without a reply.
  void wake() const noexcept;
  /// Takes the wake-up off the eventfd.
  void clear_wake() const noexcept;
  /// Says whether the loop has woken for one thing alone, while nothing else waited. Called by the
  /// loop.
  void set_alone(bool alone) noexcept { alone_ = alone; }
  /// How long the calling thread may work on the request that it has just read: less than handing
  /// it to a worker takes or, once after set_alone(true) and on the loop's thread, what a client
  /// that comes meanwhile will not notice.
  std::chrono::nanoseconds take_turn() noexcept;

  int wake_fd = -1;
  std::thread::id owner;  // replies posted by the loop itself need no wake-up

 private:
  std::mutex mutex_;
  std::vector<Letter> letters_;
  bool alone_ = false;  // of the loop's thread
};

}  // namespace jetcal::server::detail
