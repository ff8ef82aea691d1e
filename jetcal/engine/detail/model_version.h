// SPDX-License-Identifier: Apache-2.0
// One loaded version of a model: its queue, its worker thread, its counts.
#pragma once

#include <chrono>
#include <condition_variable>
#include <deque>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <thread>

#include "jetcal/engine/detail/runner.h"
#include "jetcal/engine/detail/served_model_config.h"
#include "jetcal/engine/engine.h"

namespace jetcal::engine::detail {

/// Thread-safe.
class ModelVersion {
 public:
  ModelVersion(ServedModelConfig config, std::string version, std::unique_ptr<Runner> runner,
               std::int64_t max_queue_size);
  ~ModelVersion();  ///< Answers what is queued first.

  const ServedModelConfig& config() const noexcept { return config_; }
  const std::string& version() const noexcept { return version_; }
  std::string_view engine() const noexcept { return runner_->engine(); }

  /// As Engine::submit.
  void submit(InferRequest request, Engine::Callback done);
  ModelStatistics statistics() const;
  /// Returns when nothing is queued and nothing runs.
  void wait_until_idle() const;

 private:
  using Clock = std::chrono::steady_clock;

  struct Job {
    InferRequest request;
    Engine::Callback done;
    std::int64_t batch_size = 0;
    Clock::time_point arrived;
  };
  struct BatchSums {
    DurationSum input, infer, output;
  };

  void work();
  void execute(Job job);
  void refuse(const Engine::Callback& done, const Error& error, Clock::time_point arrived);
  void count_success(const Job& job, std::int64_t queue_ns, const RunTimes& times);
  void count_failure(Clock::time_point arrived);

  const ServedModelConfig config_;
  const std::string version_;
  const std::unique_ptr<Runner> runner_;
  const std::int64_t max_queue_size_;

  mutable std::mutex mutex_;  // of all below
  std::condition_variable wake_;
  mutable std::condition_variable idle_;
  std::deque<Job> queue_;
  bool running_ = false, stopping_ = false;
  ModelStatistics sums_;
  std::map<std::int64_t, BatchSums> batches_;
  std::thread worker_;
};

}  // namespace jetcal::engine::detail
