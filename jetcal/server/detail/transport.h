// SPDX-License-Identifier: Apache-2.0
// The bytes of a client connection: a non-blocking socket.
#pragma once

#include <sys/uio.h>

#include <cstddef>
#include <span>

namespace jetcal::server::detail {

/// Says what one receive or send did.
struct IoResult {
  enum class Kind { Moved, Later, Ended, Broken } kind;
  std::size_t bytes = 0;  ///< When Moved.
};

/// Owns the socket. Used by one thread.
class Transport {
 public:
  explicit Transport(int socket) noexcept : socket_(socket) {}
  ~Transport() { close(); }
  Transport(const Transport&) = delete;
  Transport& operator=(const Transport&) = delete;

  int socket() const noexcept { return socket_; }
  IoResult receive(std::span<char> room) noexcept;
  IoResult send(std::span<const iovec> parts) noexcept;
  /// Says that no more is sent.
  void shutdown_send() noexcept;
  void close() noexcept;

 private:
  int socket_;
};

}  // namespace jetcal::server::detail
