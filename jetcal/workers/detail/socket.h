// SPDX-License-Identifier: Apache-2.0
// A file descriptor that closes itself, and the few calls on TCP sockets that workers need.
#pragma once

#include <chrono>
#include <cstddef>
#include <string>
#include <utility>

namespace jetcal::workers::detail {

using Clock = std::chrono::steady_clock;

/// Owns a file descriptor.
class Descriptor {
 public:
  Descriptor() = default;
  explicit Descriptor(int number) : number_(number) {}
  ~Descriptor() { reset(); }
  Descriptor(Descriptor&& other) noexcept : number_(std::exchange(other.number_, -1)) {}
  Descriptor& operator=(Descriptor&& other) noexcept {
    if (this != &other) {
      reset();
      number_ = std::exchange(other.number_, -1);
    }
    return *this;
  }
  int get() const noexcept { return number_; }
  bool valid() const noexcept { return number_ >= 0; }
  void reset() noexcept;

 private:
  int number_ = -1;
};

/// Opens a port; 0 takes a free one. An empty address means every address of the machine. Throws
/// FailedPrecondition when the port is in use, InvalidArgument for an address that is not here.
Descriptor listen_on(const std::string& address, int port);
int port_of(const Descriptor& listener);
/// Tells whether the name is one of this machine's own loop: "localhost", "127.0.0.1".
bool is_loopback(const std::string& address);

/// Connects, trying again until `deadline`. Throws Unavailable saying why it did not work.
Descriptor connect_to(const std::string& address, int port, Clock::time_point deadline);
/// Waits for a connection; an invalid one when the deadline has passed.
Descriptor accept_from(const Descriptor& listener, Clock::time_point deadline);
/// Returns the numeric address of the socket's own end, or of the other one.
std::string own_address(const Descriptor& socket);
std::string peer_address(const Descriptor& socket);

/// Moves all bytes, or returns false where the connection ended or the deadline has passed.
bool write_all(const Descriptor& socket, const void* data, std::size_t size,
               Clock::time_point deadline);
bool read_all(const Descriptor& socket, void* data, std::size_t size, Clock::time_point deadline);

/// Makes calls return at once and sends small messages without delay.
void set_for_messages(const Descriptor& socket);

}  // namespace jetcal::workers::detail
