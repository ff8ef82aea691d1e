// SPDX-License-Identifier: Apache-2.0
#include "jetcal/workers/detail/socket.h"

#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <memory>
#include <thread>

#include "jetcal/base/error.h"

namespace jetcal::workers::detail {
namespace {

struct FreeAddresses {
  void operator()(addrinfo* list) const { ::freeaddrinfo(list); }
};
using Addresses = std::unique_ptr<addrinfo, FreeAddresses>;

// Returns nothing, and why, when the name is not known (yet).
Addresses resolve(const std::string& address, int port, bool passive, std::string& why) {
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = passive ? AI_PASSIVE | AI_ADDRCONFIG : AI_ADDRCONFIG;
  addrinfo* list = nullptr;
  const int status = ::getaddrinfo(address.empty() ? nullptr : address.c_str(),
                                   std::to_string(port).c_str(), &hints, &list);
  if (status != 0) {
    why = ::gai_strerror(status);
    return nullptr;
  }
  return Addresses(list);
}

int milliseconds_until(Clock::time_point deadline) {
  const auto left =
      std::chrono::duration_cast<std::chrono::milliseconds>(deadline - Clock::now()).count();
  return static_cast<int>(std::clamp<std::int64_t>(left, 0, 1000000));
}

// Waits until the socket can be read or written.
bool wait_for(int socket, short events, Clock::time_point deadline) {
  while (true) {
    pollfd poll{socket, events, 0};
    const int ready = ::poll(&poll, 1, milliseconds_until(deadline));
    if (ready > 0) return true;
    if (ready == 0) return false;
    if (errno != EINTR) return false;
  }
}

void set_blocking(int socket, bool blocking) {
  const int flags = ::fcntl(socket, F_GETFL);
  ::fcntl(socket, F_SETFL, blocking ? flags & ~O_NONBLOCK : flags | O_NONBLOCK);
}

std::string text_of(const sockaddr_storage& address, socklen_t size) {
  char host[NI_MAXHOST] = "unknown";
  ::getnameinfo(reinterpret_cast<const sockaddr*>(&address), size, static_cast<char*>(host),
                sizeof(host), nullptr, 0, NI_NUMERICHOST);
  std::string text(static_cast<const char*>(host));
  constexpr const char* kMapped = "::ffff:";  // an IPv4 address seen by a socket for both
  if (text.starts_with(kMapped)) text.erase(0, std::strlen(kMapped));
  return text;
}

// Returns a connected socket, or none with the reason in `why`.
Descriptor try_connect(const std::string& address, int port, Clock::time_point deadline,
                       std::string& why) {
  const Addresses list = resolve(address, port, /*passive=*/false, why);
  for (const addrinfo* entry = list.get(); entry != nullptr; entry = entry->ai_next) {
    Descriptor socket(::socket(entry->ai_family, entry->ai_socktype | SOCK_CLOEXEC, 0));
    if (!socket.valid()) continue;
    set_blocking(socket.get(), false);
    if (::connect(socket.get(), entry->ai_addr, entry->ai_addrlen) != 0 && errno != EINPROGRESS) {
      why = std::strerror(errno);
      continue;
    }
    const auto soon = std::min(deadline, Clock::now() + std::chrono::seconds(5));
    int error = 0;
    socklen_t size = sizeof(error);
    if (!wait_for(socket.get(), POLLOUT, soon)) {
      why = "no answer";
      continue;
    }
    ::getsockopt(socket.get(), SOL_SOCKET, SO_ERROR, &error, &size);
    if (error == 0) return socket;
    why = std::strerror(error);
  }
  return {};
}

}  // namespace

void Descriptor::reset() noexcept {
  if (number_ >= 0) ::close(number_);
  number_ = -1;
}

bool is_loopback(const std::string& address) {
  return address == "localhost" || address == "::1" || address.starts_with("127.");
}

Descriptor listen_on(const std::string& address, int port) {
  std::string why = "no such address";
  int number = 0;
  const Addresses list = resolve(address, port, /*passive=*/true, why);
  // Without an address, the first that works: IPv6 sockets take IPv4 as well.
  for (const bool want_v6 : {true, false}) {
    for (const addrinfo* entry = list.get(); entry != nullptr; entry = entry->ai_next) {
      if ((entry->ai_family == AF_INET6) != want_v6) continue;
      Descriptor socket(::socket(entry->ai_family, entry->ai_socktype | SOCK_CLOEXEC, 0));
      if (!socket.valid()) continue;
      const int yes = 1;
      const int no = 0;
      ::setsockopt(socket.get(), SOL_SOCKET, SO_REUSEADDR, &yes, sizeof(yes));
      if (want_v6) ::setsockopt(socket.get(), IPPROTO_IPV6, IPV6_V6ONLY, &no, sizeof(no));
      if (::bind(socket.get(), entry->ai_addr, entry->ai_addrlen) == 0 &&
          ::listen(socket.get(), SOMAXCONN) == 0) {
        set_blocking(socket.get(), false);
        return socket;
      }
      number = errno;
      why = std::strerror(number);
    }
  }
  fail(number == EADDRINUSE ? ErrorCode::FailedPrecondition : ErrorCode::InvalidArgument,
       "cannot open port ", port, address.empty() ? "" : " of ", address,
       " for the other workers: ", why);
}

int port_of(const Descriptor& listener) {
  sockaddr_storage address{};
  socklen_t size = sizeof(address);
  ::getsockname(listener.get(), reinterpret_cast<sockaddr*>(&address), &size);
  if (address.ss_family == AF_INET6)
    return ntohs(reinterpret_cast<const sockaddr_in6&>(address).sin6_port);
  return ntohs(reinterpret_cast<const sockaddr_in&>(address).sin_port);
}

Descriptor connect_to(const std::string& address, int port, Clock::time_point deadline) {
  std::string why = "no answer";
  auto pause = std::chrono::milliseconds(20);
  while (true) {
    Descriptor socket = try_connect(address, port, deadline, why);
    if (socket.valid()) return socket;
    if (Clock::now() + pause >= deadline) {
      fail(ErrorCode::Unavailable, "cannot reach ", address, ":", port, ": ", why);
    }
    std::this_thread::sleep_for(pause);
    pause = std::min(pause * 3 / 2, std::chrono::milliseconds(500));
  }
}

Descriptor accept_from(const Descriptor& listener, Clock::time_point deadline) {
  while (wait_for(listener.get(), POLLIN, deadline)) {
    const int number = ::accept4(listener.get(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK);
    if (number >= 0) return Descriptor(number);
    // The other end may have gone meanwhile; a lack of descriptors is no reason to spin.
    if (errno != EAGAIN && errno != ECONNABORTED && errno != EINTR) return {};
  }
  return {};
}

std::string own_address(const Descriptor& socket) {
  sockaddr_storage address{};
  socklen_t size = sizeof(address);
  ::getsockname(socket.get(), reinterpret_cast<sockaddr*>(&address), &size);
  return text_of(address, size);
}

std::string peer_address(const Descriptor& socket) {
  sockaddr_storage address{};
  socklen_t size = sizeof(address);
  ::getpeername(socket.get(), reinterpret_cast<sockaddr*>(&address), &size);
  return text_of(address, size);
}

bool write_all(const Descriptor& socket, const void* data, std::size_t size,
               Clock::time_point deadline) {
  const auto* at = static_cast<const char*>(data);
  while (size > 0) {
    const ssize_t done = ::send(socket.get(), at, size, MSG_NOSIGNAL);
    if (done > 0) {
      at += done;
      size -= static_cast<std::size_t>(done);
      continue;
    }
    if (errno != EAGAIN && errno != EINTR) return false;
    if (!wait_for(socket.get(), POLLOUT, deadline)) return false;
  }
  return true;
}

bool read_all(const Descriptor& socket, void* data, std::size_t size, Clock::time_point deadline) {
  auto* at = static_cast<char*>(data);
  while (size > 0) {
    const ssize_t done = ::recv(socket.get(), at, size, 0);
    if (done > 0) {
      at += done;
      size -= static_cast<std::size_t>(done);
      continue;
    }
    if (done == 0 || (errno != EAGAIN && errno != EINTR)) return false;
    if (!wait_for(socket.get(), POLLIN, deadline)) return false;
  }
  return true;
}

void set_for_messages(const Descriptor& socket) {
  const int yes = 1;
  set_blocking(socket.get(), false);
  ::setsockopt(socket.get(), IPPROTO_TCP, TCP_NODELAY, &yes, sizeof(yes));
}

}  // namespace jetcal::workers::detail
