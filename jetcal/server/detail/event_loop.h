// SPDX-License-Identifier: Apache-2.0
// One I/O thread: an epoll set over the listening socket and the connections it accepted.
#pragma once

#include <sys/epoll.h>

#include <atomic>
#include <cstdint>
#include <memory>
#include <span>
#include <thread>
#include <unordered_map>
#include <vector>

#include "jetcal/server/detail/connection.h"

namespace jetcal::server::detail {

/// Accepts, reads and writes on one thread, between start() and join().
class EventLoop {
 public:
  /// `open_connections` is shared by the loops of a server; it holds max_connections up.
  EventLoop(const HttpOptions& options, HttpHandler& handler, const GrpcServices* grpc,
            const HttpSecurity& security, int listener, std::atomic<std::size_t>& open_connections);
  ~EventLoop();
  EventLoop(const EventLoop&) = delete;
  EventLoop& operator=(const EventLoop&) = delete;

  void start();
  /// Accepts no more and ends when no request is in flight, at the latest after drain_timeout.
  void begin_drain();
  /// Waits for the thread; returns the number of requests given up.
  std::size_t join();
  const LoopCounters& counters() const noexcept { return counters_; }

 private:
  void run();
  void accept_all(Clock::time_point now);
  void admit(int socket, Clock::time_point now);
  void handle_event(std::uint64_t id, std::uint32_t events, Clock::time_point now);
  void deliver_replies(Clock::time_point now);
  void check_deadlines(Clock::time_point now);
  /// Drops a closed connection, or tells epoll what an open one waits for.
  void settle(std::uint64_t id);
  bool watch(int file, std::uint64_t id, std::uint32_t events, int operation) noexcept;
  std::unique_ptr<Connection> first_connection(int socket, std::uint64_t id, Clock::time_point now);
  void switch_protocol(std::unique_ptr<Connection>& connection, Protocol protocol);
  ConnectionContext context();
  void read_held_input(Clock::time_point now);
  void sound_alarms(Clock::time_point now);
  int wait_for(std::span<epoll_event> events);
  int time_to_wait(Clock::time_point now) const;
  void start_drain(Clock::time_point now);
  bool drained(Clock::time_point now);

  const HttpOptions options_;
  HttpHandler& handler_;
  const GrpcServices* const grpc_;
  const HttpSecurity security_;
  const int listener_;
  std::atomic<std::size_t>& open_connections_;
  std::shared_ptr<Mailbox> mailbox_;  // shared with responders, which may outlive the loop
  int epoll_ = -1;
  LoopCounters counters_;
  TimerQueue timers_;
  std::vector<std::uint64_t> delivered_;  // connections with letters in this round
  std::vector<std::uint64_t> holding_;    // connections with input that epoll does not see
  std::unordered_map<std::uint64_t, std::unique_ptr<Connection>> connections_;
  std::uint64_t next_id_;
  std::chrono::milliseconds tick_;
  Clock::time_point next_tick_, drain_until_;
  bool accepting_ = true;
  bool polls_ = false;  // the last wait was short enough to stay awake for the next
  std::atomic<bool> draining_{false};
  std::size_t given_up_ = 0;
  std::thread thread_;
};

}  // namespace jetcal::server::detail
