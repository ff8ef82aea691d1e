// SPDX-License-Identifier: Apache-2.0
// Batches of features in a given order, the next one prepared while the present one is in use.
#pragma once

#include <cstdint>
#include <future>
#include <vector>

#include "jetcal/train/jet_source.h"

namespace jetcal::train {

/// Delivers the rows of `order` in batches; the order alone decides what a batch holds.
///
/// One batch ahead is made on a thread of its own. Use from one thread; `source` must outlive the
/// loader.
class BatchLoader {
 public:
  /// Starts with batch `first_batch` (from 0); the last batch may be smaller.
  BatchLoader(const JetSource& source, std::vector<std::int64_t> order, std::int64_t batch_size,
              std::int64_t first_batch = 0);
  ~BatchLoader();
  BatchLoader(const BatchLoader&) = delete;
  BatchLoader& operator=(const BatchLoader&) = delete;

  std::int64_t num_batches() const noexcept;

  /// Returns the next batch, valid until the next call, or nullptr after the last one. Throws
  /// InvalidArgument naming split, row and feature where a jet feature or target is not finite, and
  /// what the source throws.
  const edm::FeatureBatch* next();

 private:
  void start();

  const JetSource& source_;
  std::vector<std::int64_t> order_;
  std::int64_t batch_size_, next_batch_;
  edm::FeatureBatch current_;
  std::future<edm::FeatureBatch> upcoming_;
};

/// Returns 0 to n - 1.
std::vector<std::int64_t> storage_order(std::int64_t n);

}  // namespace jetcal::train
