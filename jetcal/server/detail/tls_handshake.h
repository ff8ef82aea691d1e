// SPDX-License-Identifier: Apache-2.0
// A client connection before anything is spoken on it but the handshake of TLS.
#pragma once

#include "jetcal/server/detail/connection.h"
#include "jetcal/server/detail/tls_transport.h"

namespace jetcal::server::detail {

/// Becomes a connection of HTTP when the handshake is done; it has as long as the head of a
/// request.
class TlsHandshake final : public Connection {
 public:
  TlsHandshake(std::unique_ptr<TlsTransport> transport, std::uint64_t id,
               const ConnectionContext& context, Clock::time_point now);

  void on_readable(Clock::time_point) override { go_on(); }
  void on_writable(Clock::time_point) override { go_on(); }
  void deliver(Letter, Clock::time_point) override {}
  void check_deadline(Clock::time_point now) override;
  void on_hangup() override { close(); }
  void drain(Clock::time_point) override { close(); }
  bool closed() const noexcept override { return closed_; }
  bool busy() const noexcept override { return false; }
  std::uint32_t wanted_events() const noexcept override;
  Protocol next_protocol() const noexcept override { return next_; }

 private:
  void go_on();
  void close() noexcept;

  TlsTransport& tls_;
  const Clock::time_point deadline_;
  Protocol next_ = Protocol::Same;
  bool closed_ = false, wants_output_ = false;
};

}  // namespace jetcal::server::detail
