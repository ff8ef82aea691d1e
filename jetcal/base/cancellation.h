// SPDX-License-Identifier: Apache-2.0
// Tells those who work on a request that its client has given up.
#pragma once

#include <atomic>
#include <functional>
#include <mutex>

namespace jetcal {

/// A flag that is raised once, and one reaction to it. Thread-safe.
class Cancellation {
 public:
  bool requested() const noexcept { return requested_.load(std::memory_order_relaxed); }
  /// Raises the flag and runs the reaction on this thread. Raising it again does nothing.
  void request();
  /// Sets what request() runs; it runs at once when the flag is up already. One reaction at a time:
  /// a later one replaces an earlier one.
  void on_request(std::function<void()> reaction);

 private:
  std::atomic<bool> requested_{false};
  std::mutex mutex_;  // of the reaction
  std::function<void()> reaction_;
};

}  // namespace jetcal
