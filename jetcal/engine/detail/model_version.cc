// SPDX-License-Identifier: Apache-2.0
#include "jetcal/engine/detail/model_version.h"

#include <algorithm>
#include <new>
#include <optional>
#include <utility>

#include "jetcal/engine/detail/request_check.h"

namespace jetcal::engine::detail {
namespace {

std::int64_t nanoseconds(std::chrono::steady_clock::duration duration) {
  return std::chrono::duration_cast<std::chrono::nanoseconds>(duration).count();
}

std::int64_t elements_of(const InferRequest& request) {
  std::int64_t sum = 0;
  for (const TensorView& input : request.inputs) sum += element_count(input.shape).value_or(0);
  return sum;
}

// Names the outputs of the configuration; none when they are the runner's.
std::vector<std::string> configured_outputs(const ServedModelConfig& config, const Runner& runner) {
  const auto same = [](const TensorSpec& a, const TensorSpec& b) { return a.name == b.name; };
  std::vector<std::string> names;
  if (std::equal(config.outputs.begin(), config.outputs.end(), runner.outputs().begin(),
                 runner.outputs().end(), same))
    return names;
  for (const TensorSpec& spec : config.outputs) names.push_back(spec.name);
  return names;
}

}  // namespace

ModelVersion::ModelVersion(ServedModelConfig config, std::string version,
                           std::vector<std::unique_ptr<Runner>> runners, const QueueLimits& limits,
                           DeadlineTimer& timer)
    : config_(std::move(config)), version_(std::move(version)) {
  sums_.name = config_.name;
  sums_.version = version_;
  queue_ = std::make_shared<RequestQueue>(
      config_.scheduling, limits, timer,
      [this](const Job& job, const Error& error) { refuse(job, error); });
  for (std::unique_ptr<Runner>& runner : runners)
    instances_.emplace_back().runner = std::move(runner);
  outputs_ = configured_outputs(config_, *instances_.front().runner);
  for (Instance& instance : instances_)
    workers_.emplace_back([this, &instance] { work(instance); });
}

ModelVersion::~ModelVersion() {
  queue_->close();
  for (std::thread& worker : workers_) worker.join();
  queue_->wait_until_idle();  // a timeout or cancellation may be answering at this moment
}

void ModelVersion::submit(InferRequest request, Engine::Callback done) {
  Job job;
  job.arrived = Clock::now();
  job.done = std::move(done);
  const Result<std::int64_t> batch_size = check_request(request, config_);
  if (!batch_size.ok()) {
    refuse(job, batch_size.error());
    return;
  }
  job.batch_size = batch_size.value();
  job.elements = elements_of(request);
  job.request = std::move(request);
  if (job.request.outputs.empty()) job.request.outputs = outputs_;
  if (run_here(job)) return;
  if (config_.scheduling.batching)
    job.merge_key = instances_.front().runner->merge_key(job.request);
  queue_->push(std::move(job));
}

bool ModelVersion::run_here(Job& job) {
  const bool waits_for_more = config_.scheduling.batching && config_.scheduling.max_delay_us > 0;
  if (waits_for_more ||
      !estimate_.is_within(job.request.run_here_within, job.elements, job.arrived))
    return false;
  for (Instance& instance : instances_) {
    const std::unique_lock lock(instance.in_use, std::try_to_lock);
    if (!lock) continue;
    if (!queue_->begin_alone()) return false;
    std::vector<Job> alone;
    alone.push_back(std::move(job));
    execute(*instance.runner, std::move(alone));
    queue_->finished();
    return true;
  }
  return false;
}

// Counted before the answer, so a client that asks next finds its own request.
void ModelVersion::refuse(const Job& job, const Error& error) {
  count_failure(job.arrived, error.code());
  job.done(error);
}

std::optional<Error> ModelVersion::refuse_if_full() {
  if (!queue_->full()) return std::nullopt;
  count_failure(Clock::now(), ErrorCode::ResourceExhausted);
  return Error(ErrorCode::ResourceExhausted, kQueueFull);
}

void ModelVersion::work(Instance& instance) {
  while (true) {
    std::vector<Job> jobs = queue_->pop();
    if (jobs.empty()) return;
    {
      const std::lock_guard lock(instance.in_use);
      execute(*instance.runner, std::move(jobs));
    }
    queue_->finished();
  }
}

void ModelVersion::execute(Runner& runner, std::vector<Job> jobs) {
  std::optional<Error> error;
  if (run(runner, jobs, error)) return;
  if (jobs.size() == 1) {
    refuse(jobs.front(), *error);
    return;
  }
  // One request must not take the others down: each is tried alone.
  for (Job& job : jobs) {
    std::vector<Job> alone;
    alone.push_back(std::move(job));
    if (!run(runner, alone, error)) refuse(alone.front(), *error);
  }
}

bool ModelVersion::run(Runner& runner, std::vector<Job>& jobs, std::optional<Error>& error) {
  const Clock::time_point begun = Clock::now();
  std::vector<RunRequest> requests;
  std::int64_t batch_size = 0;
  std::int64_t elements = 0;
  for (const Job& job : jobs) {
    requests.push_back({job.request.inputs, job.request.outputs, job.batch_size});
    batch_size += job.batch_size;
    elements += job.elements;
  }
  RunTimes times;
  std::vector<std::vector<Tensor>> outputs;
  try {
    outputs = runner.run(requests, times);
  } catch (const Error& failure) {
    error.emplace(failure.code(), "model '" + config_.name + "': " + failure.what());
    return false;
  } catch (const std::bad_alloc&) {
    error.emplace(ErrorCode::ResourceExhausted, "model '" + config_.name + "': out of memory");
    return false;
  } catch (const std::exception& failure) {
    error.emplace(ErrorCode::Internal, "model '" + config_.name + "': " + failure.what());
    return false;
  }
  estimate_.add(elements, Clock::now() - begun);
  count_run(batch_size, times);
  for (std::size_t i = 0; i < jobs.size(); ++i) {
    Job& job = jobs[i];
    count_success(job, nanoseconds(begun - job.arrived), times);
    job.done(InferReply{config_.name, version_, std::move(job.request.id), std::move(outputs[i])});
  }
  return true;
}

void ModelVersion::count_failure(Clock::time_point arrived, ErrorCode code) {
  const std::lock_guard lock(mutex_);
  sums_.fail.add(nanoseconds(Clock::now() - arrived));
  if (code == ErrorCode::Cancelled) ++sums_.cancelled;
  if (code == ErrorCode::ResourceExhausted || code == ErrorCode::Unavailable) ++sums_.rejected;
  if (code == ErrorCode::Internal) ++sums_.broken;
}

void ModelVersion::count_run(std::int64_t batch_size, const RunTimes& times) {
  const auto now = std::chrono::system_clock::now().time_since_epoch();
  const std::lock_guard lock(mutex_);
  sums_.last_inference_ms = std::chrono::duration_cast<std::chrono::milliseconds>(now).count();
  sums_.inference_count += batch_size;
  sums_.execution_count += 1;
  BatchSums& batch = batches_[batch_size];
  batch.input.add(times.input_ns);
  batch.infer.add(times.infer_ns);
  batch.output.add(times.output_ns);
}

void ModelVersion::count_success(const Job& job, std::int64_t queue_ns, const RunTimes& times) {
  const std::int64_t whole_ns = nanoseconds(Clock::now() - job.arrived);
  const std::lock_guard lock(mutex_);
  sums_.success.add(whole_ns);
  sums_.queue.add(queue_ns);
  sums_.compute_input.add(times.input_ns);
  sums_.compute_infer.add(times.infer_ns);
  sums_.compute_output.add(times.output_ns);
  sums_.request_latency.add(whole_ns);
  sums_.queue_latency.add(queue_ns);
  sums_.infer_latency.add(times.infer_ns);
}

ModelStatistics ModelVersion::statistics() const {
  const std::int64_t pending = queue_->size();
  const std::lock_guard lock(mutex_);
  ModelStatistics snapshot = sums_;
  snapshot.pending = pending;
  for (const auto& [size, sums] : batches_)
    snapshot.batches.push_back({size, sums.input, sums.infer, sums.output});
  return snapshot;
}

}  // namespace jetcal::engine::detail
