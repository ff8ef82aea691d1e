// SPDX-License-Identifier: Apache-2.0
// The bytes of a client connection inside TLS.
#pragma once

#include <memory>
#include <string_view>
#include <vector>

#include "jetcal/server/detail/transport.h"

struct ssl_st;
struct ssl_ctx_st;

namespace jetcal::server::detail {

/// TLS on a non-blocking socket. The thread that uses it must have SIGPIPE blocked: OpenSSL writes
/// without MSG_NOSIGNAL.
class TlsTransport final : public Transport {
 public:
  /// Takes the socket; throws ResourceExhausted, the socket closed, when there is no memory.
  TlsTransport(int socket, ssl_ctx_st* context);
  ~TlsTransport() override;

  enum class Step { Done, WantsInput, WantsOutput, Failed };
  /// Goes on with the handshake, which must be done before anything else is.
  Step handshake() noexcept;
  /// Tells whether the handshake has agreed on HTTP/2.
  bool agreed_on_http2() const noexcept;
  /// Says why the handshake failed.
  std::string_view failure() const noexcept { return failure_; }
  /// Tells whether it failed because the client speaks HTTP without TLS.
  bool met_plain_http() const noexcept { return met_plain_http_; }

  IoResult receive(std::span<char> room) noexcept override;
  IoResult send(std::span<const iovec> parts) noexcept override;
  bool holds_input() const noexcept override;
  void shutdown_send() noexcept override;
  void close() noexcept override;

 private:
  struct Free {
    void operator()(ssl_st* session) const noexcept;
  };
  IoResult outcome(int status) noexcept;
  /// Joins short parts, so that head and body of a reply share a record.
  iovec first_record(std::span<const iovec> parts) noexcept;
  void say_goodbye() noexcept;

  std::unique_ptr<ssl_st, Free> session_;
  std::string_view failure_;  // static text of OpenSSL
  bool usable_ = false, met_plain_http_ = false;
};

}  // namespace jetcal::server::detail
