// SPDX-License-Identifier: Apache-2.0
// Reads jets in the order of an epoch, holding two windows of blocks in memory.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <exception>
#include <map>
#include <memory>
#include <mutex>
#include <span>
#include <thread>
#include <vector>

#include "jetcal/data/jet_blocks.h"
#include "jetcal/data/row_order.h"
#include "jetcal/edm/features.h"

namespace jetcal::data {

/// Returns how many blocks make a window when `memory_bytes` must hold two: the one in use and the
/// one that is being read. Throws InvalidArgument when not even two blocks fit.
std::int64_t window_blocks(const JetBlocks& blocks, std::int64_t memory_bytes);

/// Delivers the features, and the weights if there are any, of an order of `blocks`, from any
/// position on; what lies before it is not
/// read. While a window is in use, threads of the stream read the blocks of the next one. For one
/// thread; `blocks` must outlive the stream.
class JetStream {
 public:
  /// `connections` is the number of blocks that are read at the same time. Requires: `order` is one
  /// of the blocks' own.
  JetStream(const JetBlocks& blocks, RowOrder order, int connections);
  ~JetStream();
  JetStream(const JetStream&) = delete;
  JetStream& operator=(const JetStream&) = delete;

  /// Appends the jets at the positions [begin, end) and returns their rows, valid until the next
  /// call. `begin` must not fall from call to call. Throws what JetBlocks::load does.
  std::span<const std::int64_t> append(std::int64_t begin, std::int64_t end,
                                       const edm::InputOptions& inputs, edm::FeatureBatch& out);

  /// Returns the most blocks that were in memory at the same time.
  std::int64_t most_blocks() const;

 private:
  void work();
  void move_to(std::int64_t first_window, std::int64_t last_window);
  // The windows that may be read: up to the one after those in use.
  bool may_read() const;

  const JetBlocks& blocks_;
  RowCursor cursor_;
  const RowOrder& order_;  // the cursor's

  mutable std::mutex mutex_;
  std::condition_variable loaded_one_, freed_one_;
  bool started_ = false, stopping_ = false;
  std::int64_t first_window_ = 0;                // in use, from here ...
  std::int64_t last_window_ = 0;                 // ... to here
  std::int64_t next_window_ = 0;                 // the next block to read: its window ...
  std::size_t next_in_window_ = 0;               // ... and place there
  std::vector<std::int64_t> missing_;            // blocks of each window that are not loaded yet
  std::vector<std::unique_ptr<JetBlock>> held_;  // by block
  std::vector<std::unique_ptr<JetBlock>> free_;
  std::int64_t made_ = 0;
  std::exception_ptr error_;
  std::vector<std::thread> threads_;
};

}  // namespace jetcal::data
