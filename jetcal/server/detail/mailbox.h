// SPDX-License-Identifier: Apache-2.0
// Brings replies from any thread to the I/O thread that owns the connection.
#pragma once

#include <cstdint>
#include <mutex>
#include <thread>
#include <utility>
#include <vector>

#include "jetcal/server/http_message.h"

namespace jetcal::server::detail {

/// A queue of replies with an eventfd that wakes the event loop. Thread-safe.
struct Mailbox {
  using Letter = std::pair<std::uint64_t, HttpReply>;  // connection, its reply

  Mailbox();
  ~Mailbox();
  Mailbox(const Mailbox&) = delete;
  Mailbox& operator=(const Mailbox&) = delete;

  void post(std::uint64_t connection, HttpReply reply);
  /// Takes what has come. Called by the loop, which sets `owner` first.
  std::vector<Letter> take();
  /// Wakes the loop without a reply.
  void wake() const noexcept;
  /// Takes the wake-up off the eventfd.
  void clear_wake() const noexcept;

  int wake_fd = -1;
  std::thread::id owner;  // replies posted by the loop itself need no wake-up

 private:
  std::mutex mutex_;
  std::vector<Letter> letters_;
};

}  // namespace jetcal::server::detail
