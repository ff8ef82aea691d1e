// SPDX-License-Identifier: Apache-2.0
// Adds up the gradients of all workers while backward still computes the others.
#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <vector>

namespace jetcal::train {

/// Cuts a flat gradient into buckets and starts the sum of each as soon as all of it is finished.
///
/// Every worker must report the same ranges in the same order, which those who run the same network
/// do.
class GradientBuckets {
 public:
  using Ticket = std::uint64_t;
  /// Starts the sum over the workers, and waits for it.
  struct Sums {
    std::function<Ticket(std::span<float>)> start;
    std::function<void(Ticket)> wait;
  };

  /// The gradient must stay in place. The last bucket may be smaller; bucket_bytes > 0.
  GradientBuckets(std::span<float> gradient, std::int64_t bucket_bytes, Sums sums);

  std::int64_t num_buckets() const noexcept { return std::ssize(left_); }
  /// Reports that [begin, end) is finished; each element at most once between two wait().
  void finished(std::int64_t begin, std::int64_t end);
  /// Starts what was not reported, waits for all, and is ready for the next step.
  void wait();

 private:
  std::int64_t size_of(std::int64_t bucket) const noexcept;
  void start(std::int64_t bucket);

  std::span<float> gradient_;
  std::int64_t bucket_size_;  // in elements
  Sums sums_;
  std::vector<std::int64_t> left_;  // elements not finished, by bucket; -1: started
  std::vector<Ticket> tickets_;
};

}  // namespace jetcal::train
