// SPDX-License-Identifier: Apache-2.0
#include "jetcal/server/detail/tls_handshake.h"

#include <sys/epoll.h>
#include <sys/socket.h>

#include <array>

#include "jetcal/base/log.h"

namespace jetcal::server::detail {
namespace {

constexpr std::size_t kMaxDropped = std::size_t{64} << 10;

// Tells a client that speaks HTTP without TLS what is wrong. What it has sent is read first:
// closing a socket with unread bytes resets it, and the client would lose the reply.
void answer_plain_http(int socket) {
  std::array<char, 4096> dropped;
  for (std::size_t sum = 0; sum < kMaxDropped;) {
    const ssize_t got = ::recv(socket, dropped.data(), dropped.size(), MSG_DONTWAIT);
    if (got <= 0) break;
    sum += static_cast<std::size_t>(got);
  }
  static constexpr std::string_view kNeedsTls =
      "HTTP/1.1 400 Bad Request\r\nContent-Type: application/json\r\nConnection: close\r\n\r\n"
      "{\"error\":\"this port speaks TLS: use https\"}";
  [[maybe_unused]] const auto sent =
      ::send(socket, kNeedsTls.data(), kNeedsTls.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
}

}  // namespace

TlsHandshake::TlsHandshake(std::unique_ptr<TlsTransport> transport, std::uint64_t id,
                           const ConnectionContext& context, Clock::time_point now)
    : Connection(std::move(transport), id, context),
      tls_(static_cast<TlsTransport&>(*transport_)),
      deadline_(now + context.options.head_timeout) {}

void TlsHandshake::close() noexcept {
  closed_ = true;
  transport_->close();
}

void TlsHandshake::check_deadline(Clock::time_point now) {
  if (closed_ || now < deadline_) return;
  context_.counters.timeouts.fetch_add(1, std::memory_order_relaxed);
  close();
}

std::uint32_t TlsHandshake::wanted_events() const noexcept {
  return wants_output_ ? EPOLLOUT : EPOLLIN;
}

void TlsHandshake::go_on() {
  if (closed_ || next_ != Protocol::Same) return;
  const TlsTransport::Step step = tls_.handshake();
  wants_output_ = step == TlsTransport::Step::WantsOutput;
  if (step == TlsTransport::Step::Done)
    next_ = tls_.agreed_on_http2() ? Protocol::Http2 : Protocol::Http1;
  if (step != TlsTransport::Step::Failed) return;
  context_.counters.tls_failures.fetch_add(1, std::memory_order_relaxed);
  spdlog::debug("a TLS handshake failed: {}", tls_.failure());
  if (tls_.met_plain_http()) answer_plain_http(socket());
  close();
}

}  // namespace jetcal::server::detail
