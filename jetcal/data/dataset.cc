// SPDX-License-Identifier: Apache-2.0
#include "jetcal/data/dataset.h"

#include <algorithm>
#include <array>
#include <numeric>

#include "jetcal/base/error.h"
#include "jetcal/base/random.h"
#include "jetcal/data/detail/manifest.h"
#include "jetcal/data/detail/shard_file.h"

namespace jetcal::data {

// Jets between the first word about a jet and its use.
static constexpr std::int64_t kAhead = 16;

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

Dataset Dataset::open(const std::filesystem::path& dir, Split split) {
  const std::optional<detail::Manifest> manifest = detail::load_manifest(dir);
  if (!manifest) fail(ErrorCode::NotFound, "no shards in ", dir.string(), ": no manifest.json");
  if (!manifest->complete()) {
    fail(ErrorCode::FailedPrecondition, "the ingest into ", dir.string(),
         " has not finished, run it again to resume it");
  }
  Dataset dataset;
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
        dataset.first_rows_.push_back(dataset.num_jets() + view.num_jets);
        dataset.num_particles_ += view.offsets.back() - view.offsets.front();
      }
      if (dataset.num_jets() - before != shard.num_jets) {
        fail(ErrorCode::DataLoss, "the shard ", (dir / shard.name).string(), " has ",
             dataset.num_jets() - before, " jets, its manifest says ", shard.num_jets);
      }
    }
  }
  dataset.mapped_ = std::move(mapped);
  return dataset;
}

void Dataset::append_features(std::span<const std::int64_t> rows, const edm::InputOptions& options,
                              edm::FeatureBatch& out) const {
  if (!has_particles()) {
    fail(ErrorCode::FailedPrecondition,
         "jets without particle-flow candidates cannot be used with a network, in either mode: ",
         without_particles_, " is NanoAOD without candidates");
  }
  // Rows in the order of an epoch lie all over the shards: every column of every jet is a miss of
  // the caches, unless the processor hears of the jet some jets before it is needed.
  const std::int64_t count = std::ssize(rows);
  std::array<Place, kAhead> places;
  for (std::int64_t i = 0; i < count + kAhead; ++i) {
    if (i >= kAhead) {
      const Place& place = places[i % kAhead];
      edm::append_features(*place.jets, place.row, options, out);
    }
    if (i < count) {
      places[i % kAhead] = find(rows[i]);
      prefetch_jet(places[i % kAhead]);
    }
    const std::int64_t half = i - kAhead / 2;
    if (half >= 0 && half < count) prefetch_particles(places[half % kAhead], options);
  }
}

Dataset::Place Dataset::find(std::int64_t row) const {
  if (row < 0 || row >= num_jets()) {
    fail(ErrorCode::InvalidArgument, "row ", row, " is not in a dataset of ", num_jets(), " jets");
  }
  const auto after = std::upper_bound(first_rows_.begin(), first_rows_.end(), row);
  const auto i = static_cast<std::size_t>(after - first_rows_.begin()) - 1;
  return {&views_[i], row - first_rows_[i]};
}

void Dataset::prefetch_jet(const Place& place) {
  const edm::JetView& jets = *place.jets;
  __builtin_prefetch(&jets.offsets[place.row]);
  for (const auto& column : {jets.pt_reco, jets.eta, jets.phi, jets.mass, jets.area, jets.qg_pt_d,
                             jets.qg_axis2, jets.pt_gen, jets.pt_raw, jets.rho}) {
    __builtin_prefetch(&column[place.row]);
  }
  for (const auto& column :
       {jets.qg_mult, jets.num_vertices, jets.hadron_flavor, jets.parton_flavor}) {
    __builtin_prefetch(&column[place.row]);
  }
}

void Dataset::prefetch_particles(const Place& place, const edm::InputOptions& options) {
  const edm::JetView& jets = *place.jets;
  const std::int64_t begin = jets.offsets[place.row];
  std::int64_t end = jets.offsets[place.row + 1];
  if (options.mode == edm::InputMode::Paper) end = std::min(end, begin + edm::kPaperMaxParticles);
  const auto lines = [begin, end](const auto& column) {
    constexpr std::int64_t kLine = 64 / sizeof(column[0]);
    for (std::int64_t p = begin; p < end; p += kLine) __builtin_prefetch(&column[p]);
    if (end > begin) __builtin_prefetch(&column[end - 1]);
  };
  lines(jets.pf_pt);
  lines(jets.pf_d_eta);
  lines(jets.pf_d_phi);
  if (options.mode == edm::InputMode::Constituents) lines(jets.pf_from_jet);
  if (options.features == edm::FeatureSet::Extended) {
    lines(jets.pf_mass);
    lines(jets.pf_id);
    lines(jets.pf_from_pv);
  }
}

std::vector<std::int64_t> epoch_order(std::int64_t n, std::uint64_t seed, std::int64_t epoch) {
  std::vector<std::int64_t> order(static_cast<std::size_t>(std::max<std::int64_t>(n, 0)));
  std::iota(order.begin(), order.end(), 0);
  Rng rng(mix64(seed, static_cast<std::uint64_t>(epoch)));
  shuffle(std::span(order), rng);
  return order;
}

}  // namespace jetcal::data
