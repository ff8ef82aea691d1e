// SPDX-License-Identifier: Apache-2.0
#include "jetcal/server/detail/transport.h"

#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>

namespace jetcal::server::detail {
namespace {

IoResult outcome(ssize_t moved) noexcept {
  using Kind = IoResult::Kind;
  if (moved > 0) return {Kind::Moved, static_cast<std::size_t>(moved)};
  if (moved == 0) return {Kind::Ended};
  return {errno == EAGAIN || errno == EINTR ? Kind::Later : Kind::Broken};
}

}  // namespace

IoResult Transport::receive(std::span<char> room) noexcept {
  return outcome(::recv(socket_, room.data(), room.size(), 0));
}

IoResult Transport::send(std::span<const iovec> parts) noexcept {
  msghdr message{};
  message.msg_iov = const_cast<iovec*>(parts.data());
  message.msg_iovlen = parts.size();
  return outcome(::sendmsg(socket_, &message, MSG_NOSIGNAL));
}

void Transport::shutdown_send() noexcept { ::shutdown(socket_, SHUT_WR); }

void Transport::close() noexcept {
  if (socket_ >= 0) ::close(socket_);
  socket_ = -1;
}

}  // namespace jetcal::server::detail
