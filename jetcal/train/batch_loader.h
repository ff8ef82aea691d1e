// SPDX-License-Identifier: Apache-2.0
// Batches of features in a given order, the next ones prepared while the present one is in use.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <exception>
#include <memory>
#include <mutex>
#include <thread>

#include "jetcal/data/row_order.h"
#include "jetcal/train/jet_source.h"

namespace jetcal::train {

/// Names one of the workers that share every batch.
struct WorkerSlice {
  std::int64_t rank = 0, world = 1;  ///< 0 <= rank < world.

  /// Returns where this slice starts in a batch of `count` jets. The slices of all ranks follow
  /// each other, cover the batch and differ by one jet at most.
  std::int64_t begin(std::int64_t count) const noexcept { return count * rank / world; }
  /// Returns where it ends.
  std::int64_t end(std::int64_t count) const noexcept { return count * (rank + 1) / world; }
};

/// Delivers the rows of `order` in batches; the order alone decides what a batch holds.
///
/// Worker `rank` of `world` gets its slice of every batch, so the workers together see what one
/// alone would see. All have the same number of batches; a slice of a batch with fewer jets than
/// workers may be empty.
///
/// One thread makes up to kBatchesAhead batches ahead, in buffers that are used again: after the
/// largest batches have passed nothing is allocated, and memory depends on the size of a batch
/// and what the source keeps for reading in this order. Use from one thread; `source` must
/// outlive the loader.
class BatchLoader {
 public:
  static constexpr std::int64_t kBatchesAhead = 3;

  /// Starts with batch `first_batch` (from 0) without reading what lies before it. `batch_size`
  /// counts the jets of all workers; the last batch may be smaller.
  BatchLoader(const JetSource& source, data::RowOrder order, std::int64_t batch_size,
              std::int64_t first_batch = 0, WorkerSlice slice = {});
  ~BatchLoader();
  BatchLoader(const BatchLoader&) = delete;
  BatchLoader& operator=(const BatchLoader&) = delete;

  std::int64_t num_batches() const noexcept;
  /// Returns the jets of batch `index` over all workers.
  std::int64_t batch_jets(std::int64_t index) const noexcept;

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
  void make(std::int64_t index, edm::FeatureBatch& batch);
  edm::FeatureBatch& buffer(std::int64_t index) { return buffers_[index % kBuffers]; }

  const JetSource& source_;
  const std::int64_t num_rows_;
  const std::int64_t batch_size_;
  const WorkerSlice slice_;
  const std::unique_ptr<JetReader> reader_;  // used by the thread alone
  std::int64_t next_;                        // the batch that next() gives
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

/// Throws as BatchLoader::next() where the target or the weight of a row of `source` cannot be
/// used.
void check_targets(const JetSource& source, const data::JetTargets& targets);

/// Returns 0 to n - 1.
std::vector<std::int64_t> storage_order(std::int64_t n);

}  // namespace jetcal::train
