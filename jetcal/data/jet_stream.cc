// SPDX-License-Identifier: Apache-2.0
#include "jetcal/data/jet_stream.h"

#include <algorithm>
#include <utility>

#include "jetcal/base/error.h"
#include "jetcal/data/detail/jet_gather.h"

namespace jetcal::data {

std::int64_t window_blocks(const JetBlocks& blocks, std::int64_t memory_bytes) {
  const std::int64_t largest = std::max<std::int64_t>(blocks.largest_block_bytes(), 1);
  const std::int64_t fit = memory_bytes / (2 * largest);
  constexpr double kMega = 1024 * 1024;
  if (fit < 1) {
    fail(ErrorCode::InvalidArgument, "data.memory_mb is ",
         static_cast<double>(memory_bytes) / kMega,
         ", but the largest of the blocks, of which two must fit, takes ",
         static_cast<double>(largest) / kMega, " MB");
  }
  return std::min(fit, std::max<std::int64_t>(blocks.num_blocks(), 1));
}

JetStream::JetStream(const JetBlocks& blocks, RowOrder order, int connections)
    : blocks_(blocks),
      cursor_(std::move(order)),
      order_(cursor_.order()),
      held_(static_cast<std::size_t>(blocks.num_blocks())) {
  for (std::int64_t window = 0; window < order_.num_windows(); ++window)
    missing_.push_back(std::ssize(order_.window_blocks(window)));
  const std::int64_t useful = std::min<std::int64_t>(connections, blocks.num_blocks());
  for (std::int64_t i = 0; i < useful; ++i) threads_.emplace_back([this] { work(); });
}

JetStream::~JetStream() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  freed_one_.notify_all();
  for (std::thread& thread : threads_) thread.join();
}

std::span<const std::int64_t> JetStream::append(std::int64_t begin, std::int64_t end,
                                                const edm::InputOptions& inputs,
                                                edm::FeatureBatch& out) {
  if (begin >= end) return {};
  move_to(order_.window_of(begin), order_.window_of(end - 1));
  const std::span<const std::int64_t> rows = cursor_.rows(begin, end);
  // The threads change other blocks only, so what is held can be read without the lock.
  const std::vector<std::int64_t>& starts = blocks_.starts();
  detail::gather_features(rows, inputs, out, [this, &starts](std::int64_t row) {
    const std::int64_t block = blocks_.block_of(row);
    return detail::JetPlace{&held_[block]->jets, row - starts[block]};
  });
  if (blocks_.has_weights()) {
    for (const std::int64_t row : rows) {
      const std::int64_t block = blocks_.block_of(row);
      out.weight.push_back(held_[block]->weights[row - starts[block]]);
    }
  }
  return rows;
}

void JetStream::move_to(std::int64_t first_window, std::int64_t last_window) {
  std::unique_lock lock(mutex_);
  if (!started_) {
    started_ = true;
    first_window_ = next_window_ = first_window;
  }
  for (; first_window_ < first_window; ++first_window_) {
    for (const std::int64_t block : order_.window_blocks(first_window_)) {
      if (held_[block]) free_.push_back(std::move(held_[block]));
    }
  }
  if (next_window_ < first_window_) {
    next_window_ = first_window_;
    next_in_window_ = 0;
  }
  last_window_ = last_window;
  freed_one_.notify_all();
  const auto ready = [this] {
    return std::all_of(missing_.begin() + first_window_, missing_.begin() + last_window_ + 1,
                       [](std::int64_t missing) { return missing == 0; });
  };
  loaded_one_.wait(lock, [this, &ready] { return ready() || error_; });
  if (!ready()) std::rethrow_exception(error_);
}

bool JetStream::may_read() const {
  return started_ && next_window_ < order_.num_windows() &&
         next_window_ <= std::max(first_window_ + 1, last_window_);
}

std::int64_t JetStream::most_blocks() const {
  const std::lock_guard lock(mutex_);
  return made_;
}

void JetStream::work() {
  std::unique_lock lock(mutex_);
  while (true) {
    freed_one_.wait(lock, [this] { return stopping_ || error_ || may_read(); });
    if (stopping_ || error_) return;
    const std::int64_t window = next_window_;
    const auto in_window = order_.window_blocks(window);
    const std::int64_t block = in_window[next_in_window_];
    if (++next_in_window_ == in_window.size()) {
      ++next_window_;
      next_in_window_ = 0;
    }
    std::unique_ptr<JetBlock> memory;
    if (free_.empty()) {
      memory = std::make_unique<JetBlock>();
      ++made_;
    } else {
      memory = std::move(free_.back());
      free_.pop_back();
    }
    lock.unlock();
    std::exception_ptr error;
    try {
      blocks_.load(block, *memory);
    } catch (...) {
      error = std::current_exception();
    }
    lock.lock();
    if (error) {
      if (!error_) error_ = error;
    } else if (window < first_window_) {
      free_.push_back(std::move(memory));  // the order went on without it
    } else {
      held_[block] = std::move(memory);
      --missing_[window];
    }
    loaded_one_.notify_all();
    if (error) freed_one_.notify_all();
  }
}

}  // namespace jetcal::data
