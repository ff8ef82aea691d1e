// SPDX-License-Identifier: Apache-2.0
#include "jetcal/base/threads.h"

#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <exception>
#include <memory>
#include <mutex>
#include <thread>
#include <utility>
#include <vector>

#include "jetcal/base/cpu.h"

namespace jetcal {
namespace {

thread_local bool inside_loop = false;

struct Loop {
  const std::function<void(std::int64_t, std::int64_t)>* body = nullptr;
  std::int64_t count = 0;
  std::int64_t step = 0;
  std::int64_t next = 0;                  // first range not taken
  std::atomic<std::int64_t> pending = 0;  // ranges not finished; written under the lock
  std::exception_ptr error;
};

// A core's hint that it waits for another one.
void relax() noexcept {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#endif
}

// Looks for `condition` for some tens of microseconds before the caller goes to sleep: waking a
// sleeping thread takes as long, and a training step hands over a hundred loops.
template <typename Condition>
void spin_until(Condition condition) noexcept {
  constexpr int kLooks = 2000;
  for (int look = 0; look < kLooks && !condition(); ++look) relax();
}

class Pool {
 public:
  explicit Pool(int workers) {
    for (int i = 0; i < workers; ++i) threads_.emplace_back([this] { work(); });
  }

  ~Pool() {
    {
      const std::lock_guard lock(mutex_);
      stopping_ = true;
    }
    wake_.notify_all();
    for (std::thread& thread : threads_) thread.join();
  }

  Pool(const Pool&) = delete;
  Pool& operator=(const Pool&) = delete;

  int num_threads() const noexcept { return static_cast<int>(threads_.size()) + 1; }

  void run(Loop& loop) {
    {
      std::unique_lock lock(mutex_);
      idle_.wait(lock, [this] { return loop_ == nullptr; });  // one loop at a time
      loop_ = &loop;
      ++posted_;
    }
    wake_.notify_all();
    std::unique_lock lock(mutex_);
    take_ranges(loop, lock);
    lock.unlock();
    spin_until([&loop] { return loop.pending.load(std::memory_order_relaxed) == 0; });
    lock.lock();
    done_.wait(lock, [&loop] { return loop.pending == 0; });
    loop_ = nullptr;
    idle_.notify_one();
  }

 private:
  void work() {
    std::unique_lock lock(mutex_);
    while (!stopping_) {
      if (loop_ != nullptr && loop_->next < loop_->count) {
        take_ranges(*loop_, lock);
        continue;
      }
      const std::uint64_t seen = posted_.load(std::memory_order_relaxed);
      lock.unlock();
      spin_until([this, seen] { return posted_.load(std::memory_order_relaxed) != seen; });
      lock.lock();
      // Under the lock nothing is missed: a loop posted meanwhile is there, a later one notifies.
      wake_.wait(lock, [this, seen] { return stopping_ || posted_ != seen; });
    }
  }

  // Holds the lock on entry and exit; the body runs without it.
  void take_ranges(Loop& loop, std::unique_lock<std::mutex>& lock) {
    while (loop.next < loop.count) {
      const std::int64_t begin = loop.next;
      const std::int64_t end = std::min(begin + loop.step, loop.count);
      loop.next = end;
      lock.unlock();
      std::exception_ptr error;
      inside_loop = true;
      try {
        (*loop.body)(begin, end);
      } catch (...) {
        error = std::current_exception();
      }
      inside_loop = false;
      lock.lock();
      if (error && !loop.error) loop.error = error;
      if (--loop.pending == 0) done_.notify_all();
    }
  }

  std::mutex mutex_;
  std::condition_variable wake_, done_, idle_;
  Loop* loop_ = nullptr;
  std::atomic<std::uint64_t> posted_ = 0;  // loops so far; written under the lock
  bool stopping_ = false;
  std::vector<std::thread> threads_;
};

// Threads are a property of the process, like its allocator: one pool, made at first use.
std::mutex pool_mutex;
std::shared_ptr<Pool> pool;  // shared: a loop keeps its pool while set_num_threads replaces it

std::shared_ptr<Pool> current_pool() {
  const std::lock_guard lock(pool_mutex);
  if (!pool) pool = std::make_shared<Pool>(usable_cores() - 1);
  return pool;
}

}  // namespace

void set_num_threads(int num_threads) {
  const int wanted = num_threads > 0 ? num_threads : usable_cores();
  std::shared_ptr<Pool> old;
  {
    const std::lock_guard lock(pool_mutex);
    if (pool && pool->num_threads() == wanted) return;
    old = std::exchange(pool, std::make_shared<Pool>(wanted - 1));
  }
}

int num_threads() { return current_pool()->num_threads(); }

void parallel_for(std::int64_t count, std::int64_t grain,
                  const std::function<void(std::int64_t, std::int64_t)>& body) {
  if (count <= 0) return;
  grain = std::max<std::int64_t>(grain, 1);
  if (inside_loop || count <= grain) {
    body(0, count);
    return;
  }
  const std::shared_ptr<Pool> workers = current_pool();
  if (workers->num_threads() == 1) {
    body(0, count);
    return;
  }
  Loop loop;
  loop.body = &body;
  loop.count = count;
  // Four ranges a thread even out unequal jets without making ranges too short to pay for the
  // hand-over.
  const std::int64_t ranges = static_cast<std::int64_t>(workers->num_threads()) * 4;
  loop.step = std::max(grain, (count + ranges - 1) / ranges);
  loop.pending = (count + loop.step - 1) / loop.step;
  workers->run(loop);
  if (loop.error) std::rethrow_exception(loop.error);
}

}  // namespace jetcal
