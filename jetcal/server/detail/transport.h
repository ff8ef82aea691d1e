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
  virtual ~Transport() { Transport::close(); }
  Transport(const Transport&) = delete;
  Transport& operator=(const Transport&) = delete;

  int socket() const noexcept { return socket_; }
  /// Less than the room means that the rest comes later.
  virtual IoResult receive(std::span<char> room) noexcept;
  /// After Later, the next call must begin with the same bytes and have no fewer of them.
  virtual IoResult send(std::span<const iovec> parts) noexcept;
  /// Tells whether receive() has something that the socket does not show any more.
  virtual bool holds_input() const noexcept { return false; }
  /// Says that no more is sent.
  virtual void shutdown_send() noexcept;
  virtual void close() noexcept;

 private:
  int socket_;
};

}  // namespace jetcal::server::detail
