// SPDX-License-Identifier: Apache-2.0
#include "jetcal/engine/detail/request_queue.h"

#include <algorithm>
#include <utility>

namespace jetcal::engine::detail {

// A year: longer timeouts would overflow the clock.
static constexpr std::uint64_t kLongestTimeoutUs = 31'536'000'000'000;

// When this many wait and nothing comes for as long as this many take to come, nobody is waited
// for.
static constexpr std::int64_t kEnoughJobs = 8, kGapsOfPause = 4;
static constexpr std::chrono::microseconds kShortestPause{50};
// A worker that looks again within this need not be woken.
static constexpr std::chrono::microseconds kSoon{200};

RequestQueue::RequestQueue(Scheduling scheduling, const QueueLimits& limits, DeadlineTimer& timer,
                           Refuse refuse)
    : scheduling_(std::move(scheduling)),
      limits_(limits),
      timer_(timer),
      refuse_(std::move(refuse)) {}

bool RequestQueue::no_room(std::size_t in_level, const QueuePolicy& policy) const {
  if (limits_.max_queue_size > 0 && size_ >= limits_.max_queue_size) return true;
  return policy.max_queue_size > 0 && in_level >= policy.max_queue_size;
}

bool RequestQueue::full() const {
  const std::lock_guard lock(mutex_);
  // With several levels it depends on the request which one it would join.
  if (scheduling_.levels > 0) return no_room(0, {});
  return no_room(static_cast<std::size_t>(size_), scheduling_.default_policy);
}

void RequestQueue::push(Job job) {
  const std::uint64_t number_of_level = scheduling_.level_of(job.request.priority);
  std::unique_lock lock(mutex_);
  Level& level = levels_[number_of_level];
  if (no_room(level.size(), scheduling_.policy_of(number_of_level))) {
    lock.unlock();
    refuse_(std::move(job), Error(ErrorCode::ResourceExhausted, kQueueFull));
    return;
  }
  job.number = next_number_++;
  const std::uint64_t number = job.number;
  const std::shared_ptr<Cancellation> cancellation = job.request.cancellation;
  const std::uint64_t timeout_us = scheduling_.timeout_of(number_of_level, job.request.timeout_us);
  if (timeout_us > 0) {
    job.deadline = job.arrived + std::chrono::microseconds(std::min(timeout_us, kLongestTimeoutUs));
    expect(job.deadline);
  }
  newest_ = job.arrived;
  const bool seen_soon = looks_again_ < job.arrived + kSoon;
  level.fresh.push_back(std::move(job));
  ++size_;
  lock.unlock();
  if (!seen_soon) wake_.notify_one();
  if (!cancellation) return;
  // Outside the lock: one that is raised already reacts on this thread.
  cancellation->on_request([self = weak_from_this(), number] {
    if (const auto queue = self.lock()) queue->cancel(number);
  });
}

// One call is under way for the earliest deadline, not one for every request: most requests are
// answered long before theirs.
void RequestQueue::expect(Clock::time_point deadline) {
  if (deadline >= next_look_) return;
  next_look_ = deadline;
  timer_.at(deadline, [self = weak_from_this()] {
    if (const auto queue = self.lock()) queue->expire();
  });
}

std::optional<Job> RequestQueue::take(std::uint64_t number) {
  const auto take_from = [&](Line& line) -> std::optional<Job> {
    const auto found = std::find_if(line.begin(), line.end(),
                                    [&](const Job& job) { return job.number == number; });
    if (found == line.end()) return std::nullopt;
    Job job = std::move(*found);
    line.erase(found);
    --size_;
    return job;
  };
  for (auto& [priority, level] : levels_) {
    for (Line* const line : {&level.fresh, &level.late}) {
      if (auto job = take_from(*line)) return job;
    }
  }
  return std::nullopt;
}

void RequestQueue::cancel(std::uint64_t number) {
  std::unique_lock lock(mutex_);
  std::optional<Job> job = take(number);
  if (!job) return;  // it runs, or has run
  ++running_;        // whoever ends the queue waits for the answer
  lock.unlock();
  refuse_(*std::move(job), Error(ErrorCode::Cancelled, "the client has given up"));
  finished();
}

void RequestQueue::expire() {
  std::vector<Job> expired;
  std::unique_lock lock(mutex_);
  const Clock::time_point now = Clock::now();
  Clock::time_point next = Clock::time_point::max();
  for (auto& [priority, level] : levels_) {
    const bool delay = scheduling_.policy_of(priority).delay_on_timeout;
    for (auto job = level.fresh.begin(); job != level.fresh.end();) {
      if (job->deadline > now) {
        next = std::min(next, job->deadline);
        ++job;
        continue;
      }
      if (delay) {
        level.late.push_back(std::move(*job));
      } else {
        expired.push_back(std::move(*job));
        --size_;
      }
      job = level.fresh.erase(job);
    }
  }
  next_look_ = Clock::time_point::max();
  if (next != Clock::time_point::max()) expect(next);
  if (expired.empty()) return;
  ++running_;  // whoever ends the queue waits for the answers
  lock.unlock();
  for (Job& job : expired)
    refuse_(std::move(job), Error(ErrorCode::Unavailable, "Request timeout expired"));
  finished();
}

template <typename Visit>
void RequestQueue::visit_in_order(Visit visit) const {
  for (const auto& [priority, level] : levels_) {
    for (const Line* const line : {&level.fresh, &level.late}) {
      for (const Job& job : *line) {
        if (!visit(job)) return;
      }
    }
  }
}

std::size_t RequestQueue::plan(bool& complete) const {
  complete = true;
  if (!scheduling_.batching || limits_.max_batch_size <= 1) return 1;
  const std::vector<std::int64_t>& preferred = scheduling_.preferred;
  const std::int64_t target = preferred.empty() ? limits_.max_batch_size : preferred.back();
  const auto is_preferred = [&](std::int64_t jets) {
    return std::binary_search(preferred.begin(), preferred.end(), jets);
  };
  std::size_t count = 0;
  std::size_t best = 0;  // jobs of the largest preferred batch so far
  std::int64_t jets = 0;
  std::int64_t elements = 0;
  const std::string* key = nullptr;
  bool closed = false;  // the next job does not fit
  visit_in_order([&](const Job& job) {
    if (count > 0) {
      const bool too_large =
          jets + job.batch_size > target ||
          (limits_.max_elements > 0 && elements + job.elements > limits_.max_elements);
      if (too_large || job.merge_key != *key) {
        closed = true;
        return false;
      }
    }
    key = &job.merge_key;
    ++count;
    jets += job.batch_size;
    elements += job.elements;
    if (is_preferred(jets)) best = count;
    return jets < target;
  });
  if (jets >= target || best == count) return count;  // cannot or need not grow
  if (closed) return best > 0 ? best : count;
  complete = false;
  return count;
}

RequestQueue::Clock::time_point RequestQueue::oldest() const {
  Clock::time_point first = Clock::time_point::max();
  for (const auto& [priority, level] : levels_) {
    for (const Line* const line : {&level.fresh, &level.late}) {
      if (!line->empty()) first = std::min(first, line->front().arrived);
    }
  }
  return first;
}

std::vector<Job> RequestQueue::take_first(std::size_t count) {
  std::vector<Job> jobs;
  jobs.reserve(count);
  const auto take_from = [&](Line& line) {
    while (jobs.size() < count && !line.empty()) {
      jobs.push_back(std::move(line.front()));
      line.pop_front();
    }
  };
  for (auto& [priority, level] : levels_) {
    take_from(level.fresh);
    take_from(level.late);
  }
  size_ -= static_cast<std::int64_t>(jobs.size());
  return jobs;
}

bool RequestQueue::wait_for_more(std::unique_lock<std::mutex>& lock) {
  const Clock::time_point first = oldest();
  Clock::time_point until = first + std::chrono::microseconds(scheduling_.max_delay_us);
  if (size_ >= kEnoughJobs) {
    const Clock::duration pause = kGapsOfPause * (newest_ - first) / (size_ - 1);
    until = std::min(until, newest_ + std::max<Clock::duration>(pause, kShortestPause));
  }
  if (Clock::now() >= until) return false;
  looks_again_ = until;
  wake_.wait_until(lock, until);
  looks_again_ = Clock::time_point::max();
  return true;
}

std::vector<Job> RequestQueue::pop() {
  std::unique_lock lock(mutex_);
  while (true) {
    wake_.wait(lock, [this] { return closed_ || size_ > 0; });
    if (size_ == 0) return {};
    bool complete = false;
    const std::size_t count = plan(complete);
    if (!complete && !closed_ && wait_for_more(lock)) continue;
    ++running_;
    std::vector<Job> jobs = take_first(count);
    if (size_ > 0) wake_.notify_one();  // for another instance
    return jobs;
  }
}

bool RequestQueue::begin_alone() {
  const std::lock_guard lock(mutex_);
  if (closed_ || size_ > 0) return false;
  ++running_;
  return true;
}

void RequestQueue::finished() {
  const std::lock_guard lock(mutex_);
  --running_;
  if (size_ == 0 && running_ == 0) idle_.notify_all();
}

void RequestQueue::close() {
  {
    const std::lock_guard lock(mutex_);
    closed_ = true;
  }
  wake_.notify_all();
}

void RequestQueue::wait_until_idle() const {
  std::unique_lock lock(mutex_);
  idle_.wait(lock, [this] { return size_ == 0 && running_ == 0; });
}

std::int64_t RequestQueue::size() const {
  const std::lock_guard lock(mutex_);
  return size_;
}

}  // namespace jetcal::engine::detail
