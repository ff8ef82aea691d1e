// SPDX-License-Identifier: Apache-2.0
#include "jetcal/workers/detail/tcp_links.h"

#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <deque>
#include <string>
#include <utility>
#include <vector>

#include "jetcal/base/error.h"
#include "jetcal/workers/detail/rendezvous.h"

namespace jetcal::workers::detail {
namespace {

// No message of a training step comes near; a larger size is a stream of other bytes.
constexpr std::uint64_t kLargestMessage = std::uint64_t{1} << 34;

struct Outgoing {
  MessageHeader header;
  Payload payload;
  bool urgent = false;
  std::size_t sent = 0;  // of header and payload together

  std::size_t size() const { return sizeof(header) + static_cast<std::size_t>(header.size); }
};

struct Peer {
  Descriptor socket;
  std::string address;
  std::deque<Outgoing> queue;
  MessageHeader header;
  std::size_t header_bytes = 0;   // of the message that comes in
  std::size_t payload_bytes = 0;  // likewise
  std::vector<char> payload;
};

class TcpLinks final : public Links {
 public:
  TcpLinks(const Place& place, Clock::time_point deadline)
      : wake_(::eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC)) {
    for (Descriptor& socket : meet(place, deadline)) {
      Peer peer;
      if (socket.valid()) peer.address = peer_address(socket);
      peer.socket = std::move(socket);
      peers_.push_back(std::move(peer));
    }
  }

  void send(int peer, const MessageHeader& header, Payload payload, bool urgent) override {
    std::deque<Outgoing>& queue = peers_[static_cast<std::size_t>(peer)].queue;
    if (!peers_[static_cast<std::size_t>(peer)].socket.valid()) return;
    auto at = queue.end();
    if (urgent) {
      at = std::find_if(queue.begin(), queue.end(),
                        [](const Outgoing& other) { return other.sent == 0 && !other.urgent; });
    }
    queue.insert(at, Outgoing{header, std::move(payload), urgent, 0});
  }

  void run(std::chrono::milliseconds at_most, bool /*hurry*/, Receiver& receiver) override {
    for (std::size_t i = 0; i < peers_.size(); ++i) write_some(static_cast<int>(i), receiver);
    std::vector<pollfd> polls{{wake_.get(), POLLIN, 0}};
    std::vector<int> ranks{-1};
    for (std::size_t i = 0; i < peers_.size(); ++i) {
      if (!peers_[i].socket.valid()) continue;
      const bool writes = !peers_[i].queue.empty();
      polls.push_back(
          {peers_[i].socket.get(), static_cast<short>(writes ? POLLIN | POLLOUT : POLLIN), 0});
      ranks.push_back(static_cast<int>(i));
    }
    if (::poll(polls.data(), polls.size(), static_cast<int>(at_most.count())) <= 0) return;
    if (polls.front().revents != 0) {
      std::uint64_t count = 0;
      static_cast<void>(::read(wake_.get(), &count, sizeof(count)));
    }
    for (std::size_t i = 1; i < polls.size(); ++i) {
      if ((polls[i].revents & (POLLIN | POLLHUP | POLLERR)) != 0) read_some(ranks[i], receiver);
      if ((polls[i].revents & POLLOUT) != 0) write_some(ranks[i], receiver);
    }
  }

  void wake() noexcept override {
    const std::uint64_t one = 1;
    static_cast<void>(::write(wake_.get(), &one, sizeof(one)));
  }

  bool all_sent() const override {
    return std::all_of(peers_.begin(), peers_.end(),
                       [](const Peer& peer) { return peer.queue.empty(); });
  }

  std::string name(int peer) const override {
    return "rank " + std::to_string(peer) + " (" + peers_[static_cast<std::size_t>(peer)].address +
           ")";
  }

  void close() override {
    for (Peer& peer : peers_) peer.socket.reset();
  }

 private:
  void lose(int rank, const std::string& why, Receiver& receiver) {
    Peer& peer = peers_[static_cast<std::size_t>(rank)];
    peer.socket.reset();
    peer.queue.clear();
    receiver.on_gone(rank, why);
  }

  void write_some(int rank, Receiver& receiver) {
    Peer& peer = peers_[static_cast<std::size_t>(rank)];
    while (peer.socket.valid() && !peer.queue.empty()) {
      Outgoing& message = peer.queue.front();
      const bool in_header = message.sent < sizeof(MessageHeader);
      const char* const from =
          in_header ? reinterpret_cast<const char*>(&message.header) + message.sent
                    : message.payload->data() + (message.sent - sizeof(MessageHeader));
      const std::size_t size = (in_header ? sizeof(MessageHeader) : message.size()) - message.sent;
      const int flags =
          in_header && message.header.size > 0 ? MSG_NOSIGNAL | MSG_MORE : MSG_NOSIGNAL;
      const ssize_t done = ::send(peer.socket.get(), from, size, flags);
      if (done < 0) {
        if (errno == EAGAIN || errno == EINTR) return;
        // What the peer said before it went may wait to be read: its reason, at best.
        read_some(rank, receiver);
        if (peer.socket.valid()) lose(rank, std::strerror(errno), receiver);
        return;
      }
      message.sent += static_cast<std::size_t>(done);
      if (message.sent == message.size()) peer.queue.pop_front();
    }
  }

  void read_some(int rank, Receiver& receiver) {
    Peer& peer = peers_[static_cast<std::size_t>(rank)];
    while (peer.socket.valid()) {
      const bool in_header = peer.header_bytes < sizeof(MessageHeader);
      char* const to = in_header ? reinterpret_cast<char*>(&peer.header) + peer.header_bytes
                                 : peer.payload.data() + peer.payload_bytes;
      const std::size_t size = in_header ? sizeof(MessageHeader) - peer.header_bytes
                                         : peer.payload.size() - peer.payload_bytes;
      const ssize_t done = size == 0 ? 0 : ::recv(peer.socket.get(), to, size, 0);
      if (size > 0 && done <= 0) {
        if (done < 0 && (errno == EAGAIN || errno == EINTR)) return;
        lose(rank, done == 0 ? "the connection was closed" : std::strerror(errno), receiver);
        return;
      }
      (in_header ? peer.header_bytes : peer.payload_bytes) += static_cast<std::size_t>(done);
      if (in_header && peer.header_bytes < sizeof(MessageHeader)) continue;
      if (in_header && !begin_payload(rank, receiver)) return;
      if (peer.payload_bytes < peer.payload.size()) continue;
      peer.header_bytes = 0;
      peer.payload_bytes = 0;
      receiver.on_message(rank, peer.header, std::exchange(peer.payload, {}));
    }
  }

  bool begin_payload(int rank, Receiver& receiver) {
    Peer& peer = peers_[static_cast<std::size_t>(rank)];
    if (static_cast<std::uint32_t>(peer.header.kind) >= kNumMessageKinds ||
        peer.header.size > kLargestMessage) {
      lose(rank, "it sent something that is no message", receiver);
      return false;
    }
    peer.payload.resize(static_cast<std::size_t>(peer.header.size));
    return true;
  }

  Descriptor wake_;
  std::vector<Peer> peers_;
};

}  // namespace

std::unique_ptr<Links> open_tcp_links(const Place& place, Clock::time_point deadline) {
  return std::make_unique<TcpLinks>(place, deadline);
}

}  // namespace jetcal::workers::detail
