// SPDX-License-Identifier: Apache-2.0
#include "jetcal/engine/detail/model_version.h"

#include <new>
#include <optional>
#include <utility>

#include "jetcal/engine/detail/request_check.h"

namespace jetcal::engine::detail {
namespace {

std::int64_t nanoseconds(std::chrono::steady_clock::duration duration) {
  return std::chrono::duration_cast<std::chrono::nanoseconds>(duration).count();
}

}  // namespace

ModelVersion::ModelVersion(ServedModelConfig config, std::string version,
                           std::unique_ptr<Runner> runner, std::int64_t max_queue_size)
    : config_(std::move(config)),
      version_(std::move(version)),
      runner_(std::move(runner)),
      max_queue_size_(max_queue_size) {
  sums_.name = config_.name;
  sums_.version = version_;
  worker_ = std::thread([this] { work(); });
}

ModelVersion::~ModelVersion() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  wake_.notify_all();
  worker_.join();
}

void ModelVersion::submit(InferRequest request, Engine::Callback done) {
  const Clock::time_point arrived = Clock::now();
  const Result<std::int64_t> batch_size = check_request(request, config_);
  if (!batch_size.ok()) {
    refuse(done, batch_size.error(), arrived);
    return;
  }
  bool queued = false;
  {
    const std::lock_guard lock(mutex_);
    if (max_queue_size_ == 0 || static_cast<std::int64_t>(queue_.size()) < max_queue_size_) {
      queue_.push_back({std::move(request), std::move(done), batch_size.value(), arrived});
      queued = true;
    }
  }
  if (queued) {
    wake_.notify_one();
    return;
  }
  const Error full(ErrorCode::ResourceExhausted,
                   "Exceeds maximum queue size of model '" + config_.name + "'");
  refuse(done, full, arrived);  // NOLINT(bugprone-use-after-move): moved only when queued
}

void ModelVersion::refuse(const Engine::Callback& done, const Error& error,
                          Clock::time_point arrived) {
  count_failure(arrived);
  done(error);
}

void ModelVersion::work() {
  std::unique_lock lock(mutex_);
  while (true) {
    wake_.wait(lock, [this] { return stopping_ || !queue_.empty(); });
    if (queue_.empty()) return;
    Job job = std::move(queue_.front());
    queue_.pop_front();
    running_ = true;
    lock.unlock();
    execute(std::move(job));
    lock.lock();
    running_ = false;
    if (queue_.empty()) idle_.notify_all();
  }
}

void ModelVersion::execute(Job job) {
  const std::int64_t queue_ns = nanoseconds(Clock::now() - job.arrived);
  std::optional<Error> error;
  InferReply reply;
  RunTimes times;
  try {
    reply = {config_.name, version_, std::move(job.request.id),
             runner_->run(job.request.inputs, job.request.outputs, times)};
  } catch (const Error& failure) {
    error = Error(failure.code(), "model '" + config_.name + "': " + failure.what());
  } catch (const std::bad_alloc&) {
    error = Error(ErrorCode::ResourceExhausted, "model '" + config_.name + "': out of memory");
  } catch (const std::exception& failure) {
    error = Error(ErrorCode::Internal, "model '" + config_.name + "': " + failure.what());
  }
  // Counted before the answer, so a client that asks next finds its own request.
  if (error) {
    refuse(job.done, *error, job.arrived);
    return;
  }
  count_success(job, queue_ns, times);
  job.done(std::move(reply));
}

void ModelVersion::count_failure(Clock::time_point arrived) {
  const std::lock_guard lock(mutex_);
  sums_.fail.add(nanoseconds(Clock::now() - arrived));
}

void ModelVersion::count_success(const Job& job, std::int64_t queue_ns, const RunTimes& times) {
  const auto now = std::chrono::system_clock::now().time_since_epoch();
  const std::lock_guard lock(mutex_);
  sums_.last_inference_ms = std::chrono::duration_cast<std::chrono::milliseconds>(now).count();
  sums_.inference_count += job.batch_size;
  sums_.execution_count += 1;
  sums_.success.add(nanoseconds(Clock::now() - job.arrived));
  sums_.queue.add(queue_ns);
  sums_.compute_input.add(times.input_ns);
  sums_.compute_infer.add(times.infer_ns);
  sums_.compute_output.add(times.output_ns);
  BatchSums& batch = batches_[job.batch_size];
  batch.input.add(times.input_ns);
  batch.infer.add(times.infer_ns);
  batch.output.add(times.output_ns);
}

ModelStatistics ModelVersion::statistics() const {
  const std::lock_guard lock(mutex_);
  ModelStatistics snapshot = sums_;
  snapshot.pending = static_cast<std::int64_t>(queue_.size());
  for (const auto& [size, sums] : batches_)
    snapshot.batches.push_back({size, sums.input, sums.infer, sums.output});
  return snapshot;
}

void ModelVersion::wait_until_idle() const {
  std::unique_lock lock(mutex_);
  idle_.wait(lock, [this] { return queue_.empty() && !running_; });
}

}  // namespace jetcal::engine::detail
