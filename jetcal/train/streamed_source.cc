// SPDX-License-Identifier: Apache-2.0
#include "jetcal/train/streamed_source.h"

#include <fmt/format.h>

#include <utility>

#include "jetcal/base/error.h"
#include "jetcal/data/jet_stream.h"

namespace jetcal::train {
namespace {

class StreamReader final : public JetReader {
 public:
  StreamReader(const data::JetBlocks& blocks, data::RowOrder order, const edm::InputOptions& inputs,
               int connections)
      : inputs_(inputs), stream_(blocks, std::move(order), connections) {}

  std::span<const std::int64_t> append(std::int64_t begin, std::int64_t end,
                                       edm::FeatureBatch& out) override {
    return stream_.append(begin, end, inputs_, out);
  }

 private:
  const edm::InputOptions& inputs_;
  data::JetStream stream_;
};

}  // namespace

StreamedSource::StreamedSource(data::JetBlocks blocks, const edm::InputOptions& inputs,
                               std::string name, std::int64_t memory_bytes, int connections)
    : blocks_(std::move(blocks)),
      inputs_(inputs),
      name_(std::move(name)),
      window_blocks_(data::window_blocks(blocks_, memory_bytes)),
      connections_(connections) {
  blocks_.require_particles();
}

void StreamedSource::append_features(std::span<const std::int64_t> rows,
                                     edm::FeatureBatch& out) const {
  data::JetBlock held;
  std::int64_t held_block = -1;
  for (const std::int64_t row : rows) {
    if (row < 0 || row >= num_jets()) {
      fail(ErrorCode::InvalidArgument, "row ", row, " is not in a sample of ", num_jets(), " jets");
    }
    const std::int64_t block = blocks_.block_of(row);
    if (block != held_block) blocks_.load(block, held);
    held_block = block;
    const std::int64_t place = row - blocks_.starts()[block];
    edm::append_features(held.jets, place, inputs_, out);
    if (blocks_.has_weights()) out.weight.push_back(held.weights[place]);
  }
}

data::RowOrder StreamedSource::epoch_order(std::uint64_t seed, std::int64_t epoch) const {
  return data::RowOrder::shuffled(blocks_.starts(), window_blocks_, seed, epoch);
}

data::RowOrder StreamedSource::stored_order() const {
  return data::RowOrder::stored(blocks_.starts(), window_blocks_);
}

std::unique_ptr<JetReader> StreamedSource::read(data::RowOrder order) const {
  return std::make_unique<StreamReader>(blocks_, std::move(order), inputs_, connections_);
}

std::optional<data::JetTargets> StreamedSource::read_targets(
    const std::function<void()>& check) const {
  if (!blocks_.particles_usable()) return std::nullopt;
  return data::load_targets(blocks_, connections_, check);
}

std::string StreamedSource::order_name() const {
  return fmt::format("windows of {} of {} blocks", window_blocks_, blocks_.num_blocks());
}

}  // namespace jetcal::train
