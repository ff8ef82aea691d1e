// SPDX-License-Identifier: Apache-2.0
#include "jetcal/train/jet_source.h"

#include <fmt/format.h>

#include <nlohmann/json.hpp>
#include <string_view>
#include <utility>
#include <vector>

#include "jetcal/base/error.h"
#include "jetcal/base/files.h"
#include "jetcal/data/file_store.h"
#include "jetcal/edm/regression_target.h"
#include "jetcal/train/selected_source.h"
#include "jetcal/train/streamed_source.h"

namespace jetcal::train {
namespace {

template <typename T>
std::uint64_t hash_column(std::span<const T> column, std::uint64_t seed) {
  return hash_bytes({reinterpret_cast<const char*>(column.data()), column.size_bytes()}, seed);
}

// Reads from a source that gives any row at once.
class RowReader final : public JetReader {
 public:
  RowReader(const JetSource& source, data::RowOrder order)
      : source_(source), cursor_(std::move(order)) {}

  std::span<const std::int64_t> append(std::int64_t begin, std::int64_t end,
                                       edm::FeatureBatch& out) override {
    const std::span<const std::int64_t> rows = cursor_.rows(begin, end);
    source_.append_features(rows, out);
    return rows;
  }

 private:
  const JetSource& source_;
  data::RowCursor cursor_;
};

class ShardSource final : public JetSource {
 public:
  ShardSource(data::Dataset dataset, const edm::InputOptions& inputs, std::string name)
      : dataset_(std::move(dataset)), inputs_(inputs), name_(std::move(name)) {}

  std::int64_t num_jets() const override { return dataset_.num_jets(); }

  void append_features(std::span<const std::int64_t> rows, edm::FeatureBatch& out) const override {
    dataset_.append_features(rows, inputs_, out);
  }

  // The jet columns tell samples apart; reading every particle would cost a pass over the files.
  std::string fingerprint() const override {
    std::uint64_t hash = hash_bytes(fmt::format("{}", dataset_.num_particles()));
    for (std::int64_t i = 0; i < dataset_.num_shards(); ++i) {
      const edm::JetView& jets = dataset_.shard(i);
      hash = hash_column(jets.pt_reco, hash);
      hash = hash_column(jets.pt_gen, hash);
      hash = hash_column(jets.eta, hash);
      hash = hash_column(jets.event, hash);
    }
    return fmt::format("{:016x}", hash);
  }

  std::optional<data::JetTargets> read_targets(const std::function<void()>& check) const override {
    if (!dataset_.particles_usable()) return std::nullopt;
    data::JetTargets targets;
    targets.target.reserve(static_cast<std::size_t>(num_jets()));
    for (std::int64_t i = 0; i < dataset_.num_shards(); ++i) {
      if (check) check();
      const edm::JetView& jets = dataset_.shard(i);
      for (std::int64_t row = 0; row < jets.num_jets; ++row)
        targets.target.push_back(edm::regression_target(jets, row));
    }
    return targets;
  }

  std::string name() const override { return name_; }
  edm::InputOptions inputs() const override { return inputs_; }

 private:
  data::Dataset dataset_;
  edm::InputOptions inputs_;
  std::string name_;
};

}  // namespace

data::RowOrder JetSource::epoch_order(std::uint64_t seed, std::int64_t epoch) const {
  return data::epoch_order(num_jets(), seed, epoch);
}

data::RowOrder JetSource::stored_order() const {
  return data::RowOrder::stored({0, num_jets()}, 1);
}

std::unique_ptr<JetReader> JetSource::read(data::RowOrder order) const {
  return std::make_unique<RowReader>(*this, std::move(order));
}

namespace {

constexpr double kMega = 1024 * 1024;

std::string split_name_at(data::Split split, const std::string& location) {
  return std::string(data::split_name(split)) + " split of " + location;
}

JetSources with_jets(JetSources sources) {
  for (const auto* const source : {&sources.train, &sources.validation, &sources.test}) {
    if ((*source)->num_jets() == 0)
      fail(ErrorCode::InvalidArgument, "the ", (*source)->name(), " has no jets");
  }
  return sources;
}

JetSources map_shards(const std::filesystem::path& folder, const edm::InputOptions& inputs) {
  const auto open = [&folder, &inputs](data::Split split) {
    return std::make_unique<ShardSource>(data::Dataset::open(folder, split), inputs,
                                         split_name_at(split, folder.string()));
  };
  return {open(data::Split::Train), open(data::Split::Validation), open(data::Split::Test),
          [] {
            return nlohmann::ordered_json{{"mode", "mapped"}};
          },
          data::read_origin(*data::open_store(folder.string()))};
}

nlohmann::ordered_json report_storage(std::string_view mode, const data::FileStore& store,
                                      std::int64_t window_blocks) {
  const data::StoreCounts counts = store.counts();
  nlohmann::ordered_json report{{"mode", mode}};
  if (window_blocks > 0) report["window_blocks"] = window_blocks;
  report["reads"] = counts.reads;
  report["read_mb"] = static_cast<double>(counts.bytes) / kMega;
  report["retries"] = counts.retries;
  return report;
}

JetSources open_blocks(const std::string& location, const edm::InputOptions& inputs,
                       const StorageOptions& storage) {
  const std::shared_ptr<const data::FileStore> store = data::open_store(location);
  const int connections = static_cast<int>(storage.connections);
  const auto memory_bytes = static_cast<std::int64_t>(storage.memory_mb * kMega);
  std::vector<data::JetBlocks> splits;
  std::int64_t total_bytes = 0;
  for (const data::Split split : data::kSplits) {
    splits.push_back(data::JetBlocks::open(store, split, connections));
    splits.back().require_particles();
    total_bytes += splits.back().total_bytes();
  }
  const bool keep = storage.mode == StorageMode::Memory ||
                    (storage.mode == StorageMode::Auto && total_bytes <= memory_bytes);
  std::int64_t window_blocks = 0;
  const auto open = [&](data::Split split) -> std::unique_ptr<JetSource> {
    data::JetBlocks& blocks = splits[static_cast<std::size_t>(split)];
    std::string name = split_name_at(split, location);
    if (keep) {
      data::LoadedJets loaded = data::load_dataset(blocks, connections);
      return weigh(std::make_unique<ShardSource>(std::move(loaded.jets), inputs, std::move(name)),
                   std::move(loaded.weights));
    }
    auto source = std::make_unique<StreamedSource>(std::move(blocks), inputs, std::move(name),
                                                   memory_bytes, connections);
    if (split == data::Split::Train) window_blocks = source->window_blocks();
    return source;
  };
  JetSources sources{open(data::Split::Train),
                     open(data::Split::Validation),
                     open(data::Split::Test),
                     {},
                     data::read_origin(*store)};
  sources.storage_report = [keep, store, window_blocks] {
    return report_storage(keep ? "memory" : "streamed", *store, window_blocks);
  };
  return sources;
}

}  // namespace

bool maps_shards(const std::filesystem::path& location, const StorageOptions& storage) {
  if (storage.mode == StorageMode::Mapped) return true;
  return storage.mode == StorageMode::Auto && !data::is_remote(location.string());
}

JetSources open_shards(const std::filesystem::path& location, const edm::InputOptions& inputs,
                       const StorageOptions& storage) {
  const bool remote = data::is_remote(location.string());
  if (remote && storage.mode == StorageMode::Mapped) {
    fail(ErrorCode::InvalidArgument, "data.mode mapped needs a folder; ", location.string(),
         " can be held in memory or streamed");
  }
  return with_jets(maps_shards(location, storage)
                       ? map_shards(location, inputs)
                       : open_blocks(location.string(), inputs, storage));
}

}  // namespace jetcal::train
