// SPDX-License-Identifier: Apache-2.0
// Batches of features in a given order, the next ones prepared while the present one is in use.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <exception>
#include <mutex>
#include <thread>
#include <vector>

#include "jetcal/train/jet_source.h"

namespace jetcal::train {

/// Delivers the rows of `order` in batches; the order alone decides what a batch holds.
///
/// One thread makes up to kBatchesAhead batches ahead, in buffers that are used again: after the
/// largest batches have passed nothing is allocated, and memory depends on the size of a batch
/// alone, besides the 8 bytes a row of `order`. Use from one thread; `source` must outlive the
/// loader.
class BatchLoader {
 public:
  static constexpr std::int64_t kBatchesAhead = 3;

  /// Starts with batch `first_batch` (from 0); the last batch may be smaller.
  BatchLoader(const JetSource& source, std::vector<std::int64_t> order, std::int64_t batch_size,
              std::int64_t first_batch = 0);
  ~BatchLoader();
  BatchLoader(const BatchLoader&) = delete;
  BatchLoader& operator=(const BatchLoader&) = delete;

  std::int64_t num_batches() const noexcept;

  /// Returns the next batch, valid until the next call, or nullptr after the last one. Throws
  /// InvalidArgument naming split, row and feature where a jet feature or target is not finite or a
  /// feature beyond edm::kLargestFeature, and what the source throws.
  const edm::FeatureBatch* next();

  /// Returns how long next() has waited for batches, in seconds.
  double wait_seconds() const noexcept { return wait_seconds_; }
  /// Returns the processor time that the loader's thread has taken, in seconds.
  double cpu_seconds() const;

 private:
  // One more buffer than batches ahead: the caller holds one.
  static constexpr std::int64_t kBuffers = kBatchesAhead + 1;

  void work();
  void make(std::int64_t index, edm::FeatureBatch& batch) const;
  edm::FeatureBatch& buffer(std::int64_t index) { return buffers_[index % kBuffers]; }

  const JetSource& source_;
  const std::vector<std::int64_t> order_;
  const std::int64_t batch_size_;
  std::int64_t next_;  // the batch that next() gives
  double wait_seconds_ = 0;
  edm::FeatureBatch buffers_[kBuffers];

  mutable std::mutex mutex_;
  std::condition_variable made_one_, freed_one_;
  std::int64_t made_ = 0;   // batches before this one are made
  std::int64_t freed_ = 0;  // batches before this one are no longer in use
  bool stopping_ = false;
  std::exception_ptr error_;  // of the batch made_
  double cpu_seconds_ = 0;
  std::thread thread_;  // last: it uses the others
};

/// Returns 0 to n - 1.
std::vector<std::int64_t> storage_order(std::int64_t n);

}  // namespace jetcal::train
