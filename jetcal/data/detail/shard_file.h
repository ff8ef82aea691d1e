// SPDX-License-Identifier: Apache-2.0
// One shard: an Arrow IPC file with a column per jet column and a list column per particle column.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <vector>

#include "jetcal/data/dataset.h"
#include "jetcal/data/root_jet_reader.h"
#include "jetcal/edm/jet_columns.h"

namespace jetcal::data::detail {

/// Writes one shard beside its target; finish() renames it. Without finish() nothing is left.
/// Throws ResourceExhausted on a full disk.
class ShardWriter {
 public:
  /// The shard gets a column training_weight if `weighted`, and one for each observer, of which
  /// only names and types matter here.
  ShardWriter(const std::filesystem::path& path, std::int64_t batch_jets, bool weighted = false,
              const std::vector<NumberColumn>& observers = {});
  ~ShardWriter();
  ShardWriter(const ShardWriter&) = delete;
  ShardWriter& operator=(const ShardWriter&) = delete;

  /// Appends row `row` of `jets`, which came from `entry` and `jet` of its tree, and of the
  /// observers.
  void append(const edm::JetView& jets, std::int64_t row, std::int64_t entry, std::int32_t jet,
              float weight = 1, const std::vector<NumberColumn>& observers = {});
  void finish();
  std::int64_t num_jets() const noexcept;
  std::int64_t num_particles() const noexcept;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

/// A mapped shard: the views point into memory that `memory` keeps.
struct MappedShard {
  std::vector<edm::JetView> views;     ///< One per record batch.
  std::vector<ShardExtras> extras;     ///< Beside views.
  std::shared_ptr<const void> memory;  // shared: copies of a Dataset read the same mapping
};

/// Maps a shard. Throws NotFound, or DataLoss naming the file, and the column where one is missing
/// or of another type.
MappedShard map_shard(const std::filesystem::path& path);

}  // namespace jetcal::data::detail
