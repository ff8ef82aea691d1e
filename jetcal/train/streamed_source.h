// SPDX-License-Identifier: Apache-2.0
// Jets of a split that are streamed: read window by window in every epoch, wherever they lie.
#pragma once

#include <cstdint>
#include <string>

#include "jetcal/data/jet_blocks.h"
#include "jetcal/train/jet_source.h"

namespace jetcal::train {

/// Reads the blocks in the order of each epoch; memory is that of two windows. Orders are windows
/// of the same number of blocks, shuffled as a whole.
class StreamedSource final : public JetSource {
 public:
  /// Throws InvalidArgument when `memory_bytes` cannot hold two blocks.
  StreamedSource(data::JetBlocks blocks, const edm::InputOptions& inputs, std::string name,
                 std::int64_t memory_bytes, int connections);

  std::int64_t num_jets() const override { return blocks_.num_jets(); }
  /// Reads every block that the rows need, one at a time: for rows that are near each other.
  void append_features(std::span<const std::int64_t> rows, edm::FeatureBatch& out) const override;
  data::RowOrder epoch_order(std::uint64_t seed, std::int64_t epoch) const override;
  data::RowOrder stored_order() const override;
  std::unique_ptr<JetReader> read(data::RowOrder order) const override;
  std::optional<data::JetTargets> read_targets(const std::function<void()>& check) const override;
  std::string order_name() const override;
  std::string fingerprint() const override { return blocks_.fingerprint(); }
  std::string name() const override { return name_; }
  std::int64_t window_blocks() const noexcept { return window_blocks_; }

 private:
  data::JetBlocks blocks_;
  const edm::InputOptions& inputs_;
  std::string name_;
  std::int64_t window_blocks_;
  int connections_;
};

}  // namespace jetcal::train
