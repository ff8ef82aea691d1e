// SPDX-License-Identifier: Apache-2.0
#include "jetcal/train/gradient_buckets.h"

#include <algorithm>
#include <utility>

#include "jetcal/base/error.h"

namespace jetcal::train {

static constexpr std::int64_t kStarted = -1;

GradientBuckets::GradientBuckets(std::span<float> gradient, std::int64_t bucket_bytes, Sums sums)
    : gradient_(gradient),
      bucket_size_(std::max<std::int64_t>(1, bucket_bytes / std::int64_t{sizeof(float)})),
      sums_(std::move(sums)),
      left_((gradient.size() + bucket_size_ - 1) / bucket_size_) {
  for (std::int64_t bucket = 0; bucket < num_buckets(); ++bucket) left_[bucket] = size_of(bucket);
}

std::int64_t GradientBuckets::size_of(std::int64_t bucket) const noexcept {
  return std::min(bucket_size_, std::ssize(gradient_) - bucket * bucket_size_);
}

void GradientBuckets::start(std::int64_t bucket) {
  left_[bucket] = kStarted;
  tickets_.push_back(sums_.start(gradient_.subspan(static_cast<std::size_t>(bucket * bucket_size_),
                                                   static_cast<std::size_t>(size_of(bucket)))));
}

void GradientBuckets::finished(std::int64_t begin, std::int64_t end) {
  if (begin >= end) return;
  // The last first, as backward goes.
  for (std::int64_t bucket = (end - 1) / bucket_size_; bucket >= begin / bucket_size_; --bucket) {
    const std::int64_t first = std::max(begin, bucket * bucket_size_);
    const std::int64_t last = std::min(end, (bucket + 1) * bucket_size_);
    JETCAL_DCHECK(left_[bucket] >= last - first);
    left_[bucket] -= last - first;
    if (left_[bucket] == 0) start(bucket);
  }
}

void GradientBuckets::wait() {
  for (std::int64_t bucket = num_buckets() - 1; bucket >= 0; --bucket) {
    if (left_[bucket] != kStarted) start(bucket);
  }
  for (const Ticket ticket : std::exchange(tickets_, {})) sums_.wait(ticket);
  for (std::int64_t bucket = 0; bucket < num_buckets(); ++bucket) left_[bucket] = size_of(bucket);
}

}  // namespace jetcal::train
