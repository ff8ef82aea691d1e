// SPDX-License-Identifier: Apache-2.0
#include "jetcal/train/batch_loader.h"

#include <time.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <numeric>
#include <utility>

#include "jetcal/base/error.h"

namespace jetcal::train {
namespace {

bool usable_weight(float weight) { return weight >= 0 && std::isfinite(weight); }

// `weight` may be null.
void check_target(const JetSource& source, std::int64_t row, float target, const float* weight) {
  if (!std::isfinite(target)) {
    fail(ErrorCode::InvalidArgument, "jet ", row, " of the ", source.name(),
         " has the target log(pt_gen / pt_reco) = ", target);
  }
  if (weight != nullptr && !usable_weight(*weight)) {
    fail(ErrorCode::InvalidArgument, "jet ", row, " of the ", source.name(), " has the weight ",
         *weight, ", which must be finite and not negative");
  }
}

void check_usable(const JetSource& source, std::span<const std::int64_t> rows,
                  const edm::FeatureBatch& batch) {
  const auto usable = [](float feature) { return std::abs(feature) <= edm::kLargestFeature; };
  // Without branches first: hardly any batch has a jet to name.
  std::size_t unusable = 0;
  for (const float feature : batch.jets) unusable += usable(feature) ? 0 : 1;
  for (const float target : batch.target) unusable += usable(target) ? 0 : 1;
  for (const float weight : batch.weight) unusable += usable_weight(weight) ? 0 : 1;
  if (!batch.weight.empty() && batch.weight.size() != rows.size()) {
    fail(ErrorCode::Internal, "the ", source.name(), " gave ", batch.weight.size(), " weights for ",
         rows.size(), " jets");
  }
  if (unusable == 0) return;
  const std::vector<std::string_view> names = edm::jet_feature_names(source.inputs());
  for (std::size_t j = 0; j < rows.size(); ++j) {
    for (std::size_t f = 0; f < names.size(); ++f) {
      const float value = batch.jets[j * names.size() + f];
      if (!usable(value)) {
        fail(ErrorCode::InvalidArgument, "jet ", rows[j], " of the ", source.name(), " has ",
             names[f], " = ", value, std::isfinite(value) ? ", which no jet reaches" : "");
      }
    }
    check_target(source, rows[j], batch.target[j],
                 batch.weight.empty() ? nullptr : &batch.weight[j]);
  }
}

double thread_cpu_seconds() {
  timespec time{};
  ::clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
  return static_cast<double>(time.tv_sec) + 1e-9 * static_cast<double>(time.tv_nsec);
}

}  // namespace

BatchLoader::BatchLoader(const JetSource& source, data::RowOrder order, std::int64_t batch_size,
                         std::int64_t first_batch, WorkerSlice slice)
    : source_(source),
      num_rows_(order.num_rows()),
      batch_size_(batch_size),
      slice_(slice),
      reader_(source.read(std::move(order))),
      next_(first_batch),
      made_(first_batch),
      freed_(first_batch),
      thread_([this] { work(); }) {}

BatchLoader::~BatchLoader() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  freed_one_.notify_one();
  thread_.join();
}

std::int64_t BatchLoader::num_batches() const noexcept {
  return (num_rows_ + batch_size_ - 1) / batch_size_;
}

std::int64_t BatchLoader::batch_jets(std::int64_t index) const noexcept {
  return std::min(batch_size_, num_rows_ - index * batch_size_);
}

const edm::FeatureBatch* BatchLoader::next() {
  if (next_ >= num_batches()) return nullptr;
  std::unique_lock lock(mutex_);
  freed_ = next_;  // the batch before this one is no longer in use
  freed_one_.notify_one();
  if (made_ <= next_ && !error_) {
    const auto start = std::chrono::steady_clock::now();
    made_one_.wait(lock, [this] { return made_ > next_ || error_; });
    wait_seconds_ +=
        std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  }
  if (made_ <= next_) std::rethrow_exception(error_);
  return &buffer(next_++);
}

double BatchLoader::cpu_seconds() const {
  const std::lock_guard lock(mutex_);
  return cpu_seconds_;
}

void BatchLoader::work() {
  std::unique_lock lock(mutex_);
  while (made_ < num_batches()) {
    // Batch i shares its buffer with batch i - kBuffers.
    freed_one_.wait(lock, [this] { return stopping_ || made_ < freed_ + kBatchesAhead; });
    if (stopping_) return;
    lock.unlock();
    std::exception_ptr error;
    try {
      make(made_, buffer(made_));  // only this thread changes made_
    } catch (...) {
      error = std::current_exception();
    }
    const double cpu = thread_cpu_seconds();
    lock.lock();
    cpu_seconds_ = cpu;
    error_ = error;
    if (!error) ++made_;
    made_one_.notify_one();
    if (error) return;
  }
}

void BatchLoader::make(std::int64_t index, edm::FeatureBatch& batch) {
  const std::int64_t begin = index * batch_size_;
  const std::int64_t count = batch_jets(index);
  batch.clear();
  const std::span<const std::int64_t> rows =
      reader_->append(begin + slice_.begin(count), begin + slice_.end(count), batch);
  check_usable(source_, rows, batch);
}

void check_targets(const JetSource& source, const data::JetTargets& targets) {
  for (std::size_t j = 0; j < targets.target.size(); ++j) {
    check_target(source, static_cast<std::int64_t>(j), targets.target[j],
                 targets.weight.empty() ? nullptr : &targets.weight[j]);
  }
}

std::vector<std::int64_t> storage_order(std::int64_t n) {
  std::vector<std::int64_t> order(static_cast<std::size_t>(n));
  std::iota(order.begin(), order.end(), std::int64_t{0});
  return order;
}

}  // namespace jetcal::train
