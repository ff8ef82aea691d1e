// SPDX-License-Identifier: Apache-2.0
// The requests of a model version that wait, and the batches that are made of them.
#pragma once

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "jetcal/engine/detail/deadline_timer.h"
#include "jetcal/engine/detail/scheduling.h"
#include "jetcal/engine/engine.h"

namespace jetcal::engine::detail {

/// Says why a request is refused when a queue is full; in Triton's words.
inline constexpr const char* kQueueFull = "Exceeds maximum queue size";

/// A request that has been checked.
struct Job {
  InferRequest request;
  Engine::Callback done;
  std::int64_t batch_size = 0;
  std::int64_t elements = 0;  ///< Of all inputs: what it costs.
  std::string merge_key;      ///< Requests of one batch have the same one.
  std::chrono::steady_clock::time_point arrived;
  std::uint64_t number = 0;  ///< Given by the queue, as is the deadline.
  std::chrono::steady_clock::time_point deadline = std::chrono::steady_clock::time_point::max();
};

/// Bounds of a queue beside those of the model's configuration.
struct QueueLimits {
  std::int64_t max_batch_size = 0;  ///< Jets of one batch; 0: a batch is one request.
  std::int64_t max_elements = 0;    ///< Elements of one batch of several requests; 0: no limit.
  std::int64_t max_queue_size = 0;  ///< Requests in all; 0: no limit.
};

/// Orders by priority level and arrival. Thread-safe. Timeouts and cancellations take requests out
/// while the workers are busy.
class RequestQueue : public std::enable_shared_from_this<RequestQueue> {
 public:
  using Clock = std::chrono::steady_clock;
  /// Answers a request that leaves the queue otherwise than by pop(); called without locks.
  using Refuse = std::function<void(Job, const Error&)>;

  /// `timer` must outlive the queue.
  RequestQueue(Scheduling scheduling, const QueueLimits& limits, DeadlineTimer& timer,
               Refuse refuse);

  /// Queues a request, or refuses it at once: ResourceExhausted when the queue is full.
  void push(Job job);
  /// Tells whether push() would refuse any request at this moment.
  bool full() const;
  /// Waits for a batch. Empty when the queue is closed and has none left. Every pop() that returned
  /// jobs is followed by finished().
  std::vector<Job> pop();
  /// Lets a job run without passing the queue: true when nothing waits; finished() follows then.
  bool begin_alone();
  /// Tells that the jobs of a pop() or begin_alone() are answered.
  void finished();
  /// Ends waiting for more: what is queued is given out, then pop() returns nothing.
  void close();
  void wait_until_idle() const;
  std::int64_t size() const;

 private:
  using Line = std::deque<Job>;
  /// The requests of one priority level.
  struct Level {
    Line fresh, late;  // late: their time is up, and they go after the others of the level for it
    std::size_t size() const noexcept { return fresh.size() + late.size(); }
  };

  bool no_room(std::size_t in_level, const QueuePolicy& policy) const;
  /// Takes out what is too late, and asks to be called again when the next one will be.
  void expire();
  /// Sets the timer for a deadline unless an earlier call will come. Holds the lock.
  void expect(Clock::time_point deadline);
  void cancel(std::uint64_t number);
  std::optional<Job> take(std::uint64_t number);
  /// Counts the jobs that form the next batch; sets `complete` when more would not help.
  std::size_t plan(bool& complete) const;
  /// Waits for more requests, at most until the delay of the oldest is over; returns false when it
  /// is, or when many wait and no more come.
  bool wait_for_more(std::unique_lock<std::mutex>& lock);
  Clock::time_point oldest() const;
  template <typename Visit>
  void visit_in_order(Visit visit) const;
  std::vector<Job> take_first(std::size_t count);

  const Scheduling scheduling_;
  const QueueLimits limits_;
  DeadlineTimer& timer_;
  const Refuse refuse_;
  mutable std::mutex mutex_;  // of all below
  std::condition_variable wake_;
  mutable std::condition_variable idle_;
  std::map<std::uint64_t, Level> levels_;
  std::int64_t size_ = 0, running_ = 0;
  std::uint64_t next_number_ = 1;
  Clock::time_point next_look_ = Clock::time_point::max();    // of expire()
  Clock::time_point newest_;                                  // when the last request came
  Clock::time_point looks_again_ = Clock::time_point::max();  // a worker that waits for more
  bool closed_ = false;
};

}  // namespace jetcal::engine::detail
