// SPDX-License-Identifier: Apache-2.0
#include "jetcal/data/dataset.h"

#include <algorithm>
#include <numeric>

#include "jetcal/base/error.h"
#include "jetcal/base/random.h"
#include "jetcal/data/detail/jet_gather.h"
#include "jetcal/data/detail/manifest.h"
#include "jetcal/data/detail/shard_file.h"

namespace jetcal::data {

std::string_view split_name(Split split) noexcept {
  switch (split) {
    case Split::Train:
      return "train";
    case Split::Validation:
      return "validation";
    case Split::Test:
      break;
  }
  return "test";
}

Split parse_split(std::string_view name) {
  for (const Split split : kSplits) {
    if (name == split_name(split)) return split;
  }
  fail(ErrorCode::InvalidArgument, "unknown split '", name, "', known are train, validation, test");
}

void check_sum_of_weights(Split split, double sum) {
  if (sum > 0) return;
  fail(ErrorCode::InvalidArgument, "the weights of the ",
       split == Split::Train ? "training" : split_name(split), " jets sum to ", sum);
}

Dataset Dataset::open(const std::filesystem::path& dir, Split split) {
  const std::optional<detail::Manifest> manifest = detail::load_manifest(dir);
  if (!manifest) fail(ErrorCode::NotFound, "no shards in ", dir.string(), ": no manifest.json");
  if (!manifest->complete()) {
    fail(ErrorCode::FailedPrecondition, "the ingest into ", dir.string(),
         " has not finished, run it again to resume it");
  }
  Dataset dataset;
  dataset.particles_usable_ = detail::make_report(*manifest).counts.particles_unusable == 0;
  // shared: copies of a Dataset read the same mappings
  auto mapped = std::make_shared<std::vector<detail::MappedShard>>();
  for (const auto& file : manifest->files) {
    if (!file->source.has_particles() && dataset.without_particles_.empty())
      dataset.without_particles_ = file->path.string();
    for (const IngestedFile::Shard& shard : file->shards) {
      if (shard.split != split) continue;
      mapped->push_back(detail::map_shard(dir / shard.name));
      const std::int64_t before = dataset.num_jets();
      for (const edm::JetView& view : mapped->back().views) {
        dataset.views_.push_back(view);
        dataset.groups_.push_back(file->group);
        dataset.first_rows_.push_back(dataset.num_jets() + view.num_jets);
        dataset.num_particles_ += view.offsets.back() - view.offsets.front();
      }
      for (ShardExtras& extras : mapped->back().extras)
        dataset.add_extras(std::move(extras), dir / shard.name);
      if (dataset.num_jets() - before != shard.num_jets) {
        fail(ErrorCode::DataLoss, "the shard ", (dir / shard.name).string(), " has ",
             dataset.num_jets() - before, " jets, its manifest says ", shard.num_jets);
      }
    }
  }
  dataset.mapped_ = std::move(mapped);
  return dataset;
}

void Dataset::add_extras(ShardExtras extras, const std::filesystem::path& shard) {
  std::vector<std::string> names;
  for (const NumberView& observer : extras.observers) names.push_back(observer.name);
  if (extras_.empty()) {
    observers_ = names;
    has_weights_ = !extras.weight.empty();
  }
  if (names != observers_ || !extras.weight.empty() != has_weights_) {
    fail(ErrorCode::DataLoss, "the shard ", shard.string(),
         " has other observers or weights than those before it");
  }
  extras_.push_back(std::move(extras));
}

void Dataset::append_features(std::span<const std::int64_t> rows, const edm::InputOptions& options,
                              edm::FeatureBatch& out) const {
  if (!has_particles()) {
    fail(ErrorCode::FailedPrecondition,
         "jets without particle-flow candidates cannot be used with a network, in either mode: ",
         without_particles_, " is NanoAOD without candidates");
  }
  detail::gather_features(rows, options, out, [this](std::int64_t row) { return find(row); });
}

Dataset Dataset::of_views(std::vector<edm::JetView> views, std::int64_t num_particles,
                          std::shared_ptr<const void> memory, bool particles_usable) {
  Dataset dataset;
  for (const edm::JetView& view : views)
    dataset.first_rows_.push_back(dataset.num_jets() + view.num_jets);
  dataset.views_ = std::move(views);
  dataset.num_particles_ = num_particles;
  dataset.particles_usable_ = particles_usable;
  dataset.mapped_ = std::move(memory);
  return dataset;
}

detail::JetPlace Dataset::find(std::int64_t row) const {
  if (row < 0 || row >= num_jets()) {
    fail(ErrorCode::InvalidArgument, "row ", row, " is not in a dataset of ", num_jets(), " jets");
  }
  const auto after = std::upper_bound(first_rows_.begin(), first_rows_.end(), row);
  const auto i = static_cast<std::size_t>(after - first_rows_.begin()) - 1;
  return {&views_[i], row - first_rows_[i]};
}

std::vector<std::int64_t> epoch_order(std::int64_t n, std::uint64_t seed, std::int64_t epoch) {
  std::vector<std::int64_t> order(static_cast<std::size_t>(std::max<std::int64_t>(n, 0)));
  std::iota(order.begin(), order.end(), 0);
  Rng rng(mix64(seed, static_cast<std::uint64_t>(epoch)));
  shuffle(std::span(order), rng);
  return order;
}

}  // namespace jetcal::data
