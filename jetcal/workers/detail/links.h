// SPDX-License-Identifier: Apache-2.0
// What carries messages between workers: the seam between the communicator and TCP or MPI.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

namespace jetcal::workers::detail {

enum class MessageKind : std::uint32_t {
  Heartbeat,  ///< Says that the worker lives.
  Part,       ///< Values to be added up, or gathered, or a broadcast.
  Sum,        ///< The sums of a segment.
  Failure,    ///< The worker ends with an error: code and text.
  Goodbye,    ///< The worker ends as it should.
};
inline constexpr std::uint32_t kNumMessageKinds = 5;

/// Stands before every message, in the byte order of the machine; every worker must have the same.
struct MessageHeader {
  MessageKind kind = MessageKind::Heartbeat;
  std::uint32_t reserved = 0;
  std::uint64_t sequence = 0;  ///< Number of the operation that it belongs to.
  std::uint64_t size = 0;      ///< Bytes that follow.
};

// shared: the queues of several peers hold the same bytes.
using Payload = std::shared_ptr<const std::vector<char>>;

/// Takes what arrives.
class Receiver {
 public:
  virtual ~Receiver() = default;
  virtual void on_message(int peer, const MessageHeader& header, std::vector<char>&& payload) = 0;
  /// The peer's end is closed, and will send nothing more.
  virtual void on_gone(int peer, const std::string& why) = 0;
};

/// Carries messages between the workers. One thread makes and uses it; wake() alone, and the
/// destructor when that thread has ended, may be called from others.
class Links {
 public:
  virtual ~Links() = default;
  /// Queues a message; urgent ones overtake others that have not begun. The payload may be null.
  virtual void send(int peer, const MessageHeader& header, Payload payload, bool urgent) = 0;
  /// Sends and receives until something came, wake() was called or the time is over. `hurry` says
  /// that somebody waits for what comes.
  virtual void run(std::chrono::milliseconds at_most, bool hurry, Receiver& receiver) = 0;
  virtual void wake() noexcept = 0;
  /// Tells whether everything queued is on its way.
  virtual bool all_sent() const = 0;
  /// Names a peer in messages: "rank 2 (10.0.0.7)".
  virtual std::string name(int peer) const = 0;
  /// Ends the connection properly; without it, the destructor cuts it.
  virtual void close() = 0;
};

}  // namespace jetcal::workers::detail
