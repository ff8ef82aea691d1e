// SPDX-License-Identifier: Apache-2.0
// A thread that does things at their time, whatever the workers are busy with.
#pragma once

#include <chrono>
#include <condition_variable>
#include <functional>
#include <map>
#include <mutex>
#include <thread>

namespace jetcal::engine::detail {

/// Runs actions on one thread when their time comes. Thread-safe. Actions must not throw.
class DeadlineTimer {
 public:
  using Clock = std::chrono::steady_clock;

  DeadlineTimer();
  ~DeadlineTimer();  ///< What has not come yet is dropped.
  DeadlineTimer(const DeadlineTimer&) = delete;
  DeadlineTimer& operator=(const DeadlineTimer&) = delete;

  void at(Clock::time_point time, std::function<void()> action);

 private:
  void run();
  std::mutex mutex_;
  std::condition_variable wake_;
  std::multimap<Clock::time_point, std::function<void()>> actions_;
  bool stopping_ = false;
  std::thread thread_;
};

}  // namespace jetcal::engine::detail
