// SPDX-License-Identifier: Apache-2.0
#include "jetcal/server/detail/tls_transport.h"

#include <openssl/err.h>
#include <openssl/ssl.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>

#include "jetcal/base/error.h"

namespace jetcal::server::detail {
namespace {

constexpr std::size_t kRecordBytes = SSL3_RT_MAX_PLAIN_LENGTH;
constexpr std::string_view kHttp2 = "h2";

}  // namespace

void TlsTransport::Free::operator()(ssl_st* session) const noexcept { ::SSL_free(session); }

TlsTransport::TlsTransport(int socket, ssl_ctx_st* context)
    : Transport(socket), session_(::SSL_new(context)) {
  if (session_ == nullptr || ::SSL_set_fd(session_.get(), socket) != 1)
    fail(ErrorCode::ResourceExhausted, "no memory for a TLS connection");
  ::SSL_set_accept_state(session_.get());
}

TlsTransport::~TlsTransport() { TlsTransport::close(); }

TlsTransport::Step TlsTransport::handshake() noexcept {
  ::ERR_clear_error();
  const int status = ::SSL_do_handshake(session_.get());
  if (status == 1) {
    usable_ = true;
    return Step::Done;
  }
  const int error = ::SSL_get_error(session_.get(), status);
  if (error == SSL_ERROR_WANT_READ) return Step::WantsInput;
  if (error == SSL_ERROR_WANT_WRITE) return Step::WantsOutput;
  const unsigned long code = ::ERR_peek_error();
  const char* const text = code == 0 ? nullptr : ::ERR_reason_error_string(code);
  failure_ = text == nullptr ? "the client went away" : text;
  met_plain_http_ = ERR_GET_REASON(code) == SSL_R_HTTP_REQUEST;
  return Step::Failed;
}

bool TlsTransport::agreed_on_http2() const noexcept {
  const unsigned char* name = nullptr;
  unsigned int size = 0;
  ::SSL_get0_alpn_selected(session_.get(), &name, &size);
  return std::string_view(reinterpret_cast<const char*>(name), size) == kHttp2;
}

IoResult TlsTransport::outcome(int status) noexcept {
  switch (::SSL_get_error(session_.get(), status)) {
    case SSL_ERROR_WANT_READ:
    case SSL_ERROR_WANT_WRITE:
      return {IoResult::Kind::Later};
    case SSL_ERROR_ZERO_RETURN:
      return {IoResult::Kind::Ended};
    default:
      usable_ = false;
      return {IoResult::Kind::Broken};
  }
}

IoResult TlsTransport::receive(std::span<char> room) noexcept {
  std::size_t filled = 0;
  while (filled < room.size()) {
    ::ERR_clear_error();
    std::size_t got = 0;
    const int status =
        ::SSL_read_ex(session_.get(), room.data() + filled, room.size() - filled, &got);
    filled += got;
    if (status == 1) continue;
    if (filled == 0) return outcome(status);
    break;  // what stopped it is met again by the next call
  }
  return {IoResult::Kind::Moved, filled};
}

iovec TlsTransport::first_record(std::span<const iovec> parts) noexcept {
  thread_local std::array<char, kRecordBytes> record;
  if (parts.size() == 1 || parts[0].iov_len >= kRecordBytes) return parts[0];
  std::size_t size = 0;
  for (const iovec& part : parts) {
    const std::size_t taken = std::min(part.iov_len, record.size() - size);
    std::memcpy(record.data() + size, part.iov_base, taken);
    size += taken;
  }
  return {record.data(), size};
}

IoResult TlsTransport::send(std::span<const iovec> parts) noexcept {
  const iovec record = first_record(parts);
  ::ERR_clear_error();
  std::size_t sent = 0;
  const int status = ::SSL_write_ex(session_.get(), record.iov_base, record.iov_len, &sent);
  if (status == 1) return {IoResult::Kind::Moved, sent};
  return outcome(status);
}

// The end that the client has announced counts too: its bytes are gone from the socket.
bool TlsTransport::holds_input() const noexcept {
  if (session_ == nullptr) return false;
  const bool ended = (::SSL_get_shutdown(session_.get()) & SSL_RECEIVED_SHUTDOWN) != 0;
  return ended || ::SSL_pending(session_.get()) > 0;
}

void TlsTransport::say_goodbye() noexcept {
  if (!usable_) return;
  ::ERR_clear_error();
  ::SSL_shutdown(session_.get());
}

void TlsTransport::shutdown_send() noexcept {
  say_goodbye();
  Transport::shutdown_send();
}

void TlsTransport::close() noexcept {
  if (session_ != nullptr) say_goodbye();
  session_.reset();
  Transport::close();
}

}  // namespace jetcal::server::detail
