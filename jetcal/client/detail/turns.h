// SPDX-License-Identifier: Apache-2.0
// Lets only so many threads in at a time.
#pragma once

#include <chrono>
#include <condition_variable>
#include <memory>
#include <mutex>

namespace jetcal::client::detail {

/// Thread-safe.
class Turns {
 public:
  explicit Turns(int count) : free_(count) {}

  struct GiveBack {
    void operator()(Turns* turns) const noexcept;
  };
  /// Ends with the object; empty when there was none until the deadline.
  using Turn = std::unique_ptr<Turns, GiveBack>;

  Turn take(std::chrono::steady_clock::time_point deadline) {
    std::unique_lock lock(mutex_);
    if (!freed_.wait_until(lock, deadline, [this] { return free_ > 0; })) return nullptr;
    --free_;
    return Turn(this);
  }

 private:
  std::mutex mutex_;
  std::condition_variable freed_;
  int free_;
};

inline void Turns::GiveBack::operator()(Turns* turns) const noexcept {
  {
    const std::lock_guard lock(turns->mutex_);
    ++turns->free_;
  }
  turns->freed_.notify_one();
}

}  // namespace jetcal::client::detail
