// SPDX-License-Identifier: Apache-2.0
// A thread for work that would hold up an I/O thread: large JSON, compressed bodies.
#pragma once

#include <condition_variable>
#include <deque>
#include <functional>
#include <mutex>
#include <thread>

namespace jetcal::server::detail {

/// Runs tasks one after the other. Thread-safe. Tasks must not throw.
class TaskThread {
 public:
  TaskThread();
  ~TaskThread();
  TaskThread(const TaskThread&) = delete;
  TaskThread& operator=(const TaskThread&) = delete;

  /// Queues a task; after stop() it runs at once on the calling thread.
  void post(std::function<void()> task);
  /// Returns when the queued tasks have run. Not for use inside a task.
  void stop();

 private:
  void run();
  std::mutex mutex_;
  std::condition_variable wake_;
  std::deque<std::function<void()>> tasks_;
  bool stopping_ = false;
  std::thread thread_;
};

}  // namespace jetcal::server::detail
