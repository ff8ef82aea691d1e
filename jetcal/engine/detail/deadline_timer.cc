// SPDX-License-Identifier: Apache-2.0
#include "jetcal/engine/detail/deadline_timer.h"

#include <utility>

namespace jetcal::engine::detail {

DeadlineTimer::DeadlineTimer() : thread_([this] { run(); }) {}

DeadlineTimer::~DeadlineTimer() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  wake_.notify_one();
  thread_.join();
}

void DeadlineTimer::at(Clock::time_point time, std::function<void()> action) {
  const std::lock_guard lock(mutex_);
  const auto place = actions_.emplace(time, std::move(action));
  if (place == actions_.begin()) wake_.notify_one();
}

void DeadlineTimer::run() {
  std::unique_lock lock(mutex_);
  while (!stopping_) {
    if (actions_.empty()) {
      wake_.wait(lock);
      continue;
    }
    const auto first = actions_.begin();
    if (first->first > Clock::now()) {
      wake_.wait_until(lock, Clock::time_point(first->first));
      continue;
    }
    const std::function<void()> action = std::move(first->second);
    actions_.erase(first);
    lock.unlock();
    action();
    lock.lock();
  }
}

}  // namespace jetcal::engine::detail
