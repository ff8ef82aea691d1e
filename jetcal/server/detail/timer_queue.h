// SPDX-License-Identifier: Apache-2.0
// Times at which an event loop has to look at a connection.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <queue>
#include <vector>

namespace jetcal::server::detail {

using Clock = std::chrono::steady_clock;

/// Orders alarms by time. An alarm is not taken back: who gets it looks whether it still matters.
/// Used by one thread.
class TimerQueue {
 public:
  struct Alarm {
    Clock::time_point time;
    std::uint64_t connection;
    bool operator<(const Alarm& other) const noexcept { return time > other.time; }
  };

  void add(const Alarm& alarm) { alarms_.push(alarm); }
  std::optional<Clock::time_point> next() const {
    return alarms_.empty() ? std::nullopt : std::optional(alarms_.top().time);
  }
  /// Takes the first alarm whose time has come.
  std::optional<Alarm> take_due(Clock::time_point now) {
    if (alarms_.empty() || alarms_.top().time > now) return std::nullopt;
    const Alarm alarm = alarms_.top();
    alarms_.pop();
    return alarm;
  }

 private:
  std::priority_queue<Alarm> alarms_;
};

}  // namespace jetcal::server::detail
