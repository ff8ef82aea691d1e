// SPDX-License-Identifier: Apache-2.0
#include "jetcal/train/jet_source.h"

#include <fmt/format.h>

#include <string_view>
#include <utility>
#include <vector>

#include "jetcal/base/error.h"
#include "jetcal/base/files.h"

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
  ShardSource(const std::filesystem::path& dir, data::Split split, const edm::InputOptions& inputs)
      : dataset_(data::Dataset::open(dir, split)),
        inputs_(inputs),
        name_(std::string(data::split_name(split)) + " split of " + dir.string()) {}

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

JetSources open_shards(const std::filesystem::path& dir, const edm::InputOptions& inputs) {
  const auto open = [&dir, &inputs](data::Split split) -> std::unique_ptr<JetSource> {
    auto source = std::make_unique<ShardSource>(dir, split, inputs);
    if (source->num_jets() == 0)
      fail(ErrorCode::InvalidArgument, "the ", source->name(), " has no jets");
    return source;
  };
  return {open(data::Split::Train), open(data::Split::Validation), open(data::Split::Test)};
}

}  // namespace jetcal::train
