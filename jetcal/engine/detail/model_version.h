// SPDX-License-Identifier: Apache-2.0
// One loaded version of a model: its queue, its worker threads, its counts.
#pragma once

#include <chrono>
#include <deque>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "jetcal/engine/detail/request_queue.h"
#include "jetcal/engine/detail/runner.h"
#include "jetcal/engine/detail/served_model_config.h"
#include "jetcal/engine/detail/work_estimate.h"
#include "jetcal/engine/engine.h"

namespace jetcal::engine::detail {

/// Thread-safe.
class ModelVersion {
 public:
  /// Takes one runner for each instance. `timer` must outlive it.
  ModelVersion(ServedModelConfig config, std::string version,
               std::vector<std::unique_ptr<Runner>> runners, const QueueLimits& limits,
               DeadlineTimer& timer);
  ~ModelVersion();  ///< Answers what is queued first.

  const ServedModelConfig& config() const noexcept { return config_; }
  const std::string& version() const noexcept { return version_; }
  std::string_view engine() const noexcept { return instances_.front().runner->engine(); }

  /// As Engine::submit.
  void submit(InferRequest request, Engine::Callback done);
  /// As Engine::refuse_if_full.
  std::optional<Error> refuse_if_full();
  ModelStatistics statistics() const;
  /// Returns when nothing is queued and nothing runs.
  void wait_until_idle() const { queue_->wait_until_idle(); }

 private:
  using Clock = std::chrono::steady_clock;
  struct BatchSums {
    DurationSum input, infer, output;
  };

  /// One runner; whoever holds the lock uses it.
  struct Instance {
    std::unique_ptr<Runner> runner;
    std::mutex in_use;
  };

  void work(Instance& instance);
  /// Runs a job on the thread that brings it, if an instance is idle and the work takes no longer
  /// than the request allows; returns false and leaves the job otherwise.
  bool run_here(Job& job);
  void execute(Runner& runner, std::vector<Job> jobs);
  /// Runs jobs as one batch; returns false when that failed and nothing was answered.
  bool run(Runner& runner, std::vector<Job>& jobs, std::optional<Error>& error);
  void refuse(const Job& job, const Error& error);
  void count_failure(Clock::time_point arrived, ErrorCode code);
  void count_run(std::int64_t batch_size, const RunTimes& times);
  void count_success(const Job& job, std::int64_t queue_ns, const RunTimes& times);

  const ServedModelConfig config_;
  const std::string version_;
  std::vector<std::string> outputs_;  // of a request that names none; empty: all of the runner's
  std::deque<Instance> instances_;
  std::shared_ptr<RequestQueue> queue_;  // shared with timers and cancellations
  WorkEstimate estimate_;

  mutable std::mutex mutex_;  // of the two below
  ModelStatistics sums_;
  std::map<std::int64_t, BatchSums> batches_;
  std::vector<std::thread> workers_;
};

}  // namespace jetcal::engine::detail
