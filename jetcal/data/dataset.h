// SPDX-License-Identifier: Apache-2.0
// A folder of shards as memory-mapped jets: views without copies, features of any rows, the order
// of an epoch.
#pragma once

#include <array>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "jetcal/data/number_column.h"
#include "jetcal/edm/features.h"
#include "jetcal/edm/jet_columns.h"

namespace jetcal::data {

namespace detail {
struct JetPlace;
}

/// Names the three disjoint parts of a sample.
enum class Split { Train, Validation, Test };

inline constexpr std::array<Split, 3> kSplits{Split::Train, Split::Validation, Split::Test};

/// Returns "train", "validation" or "test".
std::string_view split_name(Split split) noexcept;
/// Throws InvalidArgument for another name.
Split parse_split(std::string_view name);
/// Throws InvalidArgument unless the weights of the jets of a split have a sum above 0.
void check_sum_of_weights(Split split, double sum);

/// Views what a shard may hold besides the columns of its jets.
struct ShardExtras {
  std::span<const float> weight;               ///< Weights of training; empty: every jet weighs 1.
  std::span<const std::int64_t> source_entry;  ///< Row of the input's tree.
  std::span<const std::int32_t> source_jet;    ///< Index of the jet in its event.
  std::vector<NumberView> observers;
};

/// Opens the jets that ingest() wrote. Reading is thread-safe; copies share the mapped files.
class Dataset {
 public:
  /// Maps the shards of `split` in the folder `dir`.
  ///
  /// A split without jets is valid and has num_jets() == 0. Throws NotFound when `dir` holds no
  /// manifest or a shard is missing, FailedPrecondition when its ingest has not finished, DataLoss
  /// naming the shard when one is corrupt, has another number of rows than the manifest says, or
  /// lacks a column (which is named).
  static Dataset open(const std::filesystem::path& dir, Split split);

  /// Takes views of memory that `memory` keeps.
  static Dataset of_views(std::vector<edm::JetView> views, std::int64_t num_particles,
                          std::shared_ptr<const void> memory, bool particles_usable = false);

  std::int64_t num_jets() const noexcept { return first_rows_.back(); }
  std::int64_t num_particles() const noexcept { return num_particles_; }
  /// Tells whether all jets came from files with particles; without them no network can be used.
  bool has_particles() const noexcept { return without_particles_.empty(); }

  /// Tells whether ingest found no particle that features leave out.
  bool particles_usable() const noexcept { return particles_usable_; }

  /// Counts the views that shard() gives. A shard file holds one or more of them (its record
  /// batches, at most ingest's 16,384 jets each); they follow each other in the order of the rows.
  std::int64_t num_shards() const noexcept { return static_cast<std::int64_t>(views_.size()); }
  /// Views shard i; valid as long as this Dataset or a copy of it lives.
  const edm::JetView& shard(std::int64_t i) const { return views_[static_cast<std::size_t>(i)]; }
  /// Returns the global row of the first jet of shard i.
  std::int64_t first_row(std::int64_t i) const { return first_rows_[static_cast<std::size_t>(i)]; }

  /// Returns what shard i holds besides the columns of its jets; valid as long as shard(i).
  const ShardExtras& extras(std::int64_t i) const { return extras_[static_cast<std::size_t>(i)]; }
  /// Returns the group of the input file of shard i; empty: none.
  const std::string& group(std::int64_t i) const { return groups_[static_cast<std::size_t>(i)]; }
  /// Tells whether the shards hold weights.
  bool has_weights() const noexcept { return has_weights_; }
  /// Names the observers of the shards; every shard has the same.
  const std::vector<std::string>& observers() const noexcept { return observers_; }

  /// Appends the features of the given global rows, in the given order. Where it throws, some may
  /// have been appended.
  /// Requires: 0 <= row < num_jets(); throws InvalidArgument otherwise, and FailedPrecondition when
  /// the jets came from files without particles.
  void append_features(std::span<const std::int64_t> rows, const edm::InputOptions& options,
                       edm::FeatureBatch& out) const;

 private:
  detail::JetPlace find(std::int64_t row) const;

  Dataset() = default;
  void add_extras(ShardExtras extras, const std::filesystem::path& shard);
  std::vector<edm::JetView> views_;
  std::vector<ShardExtras> extras_;  // beside views_
  std::vector<std::string> groups_;  // beside views_
  std::vector<std::string> observers_;
  bool has_weights_ = false, particles_usable_ = false;
  std::vector<std::int64_t> first_rows_{0};  // one more than views_
  std::int64_t num_particles_ = 0;
  std::string without_particles_;  // the first input file without particles, if any
  // Shared by copies: the mapped or loaded record batches behind views_.
  std::shared_ptr<const void> mapped_;
};

/// Returns 0 to n - 1 in the order of one epoch: one shuffle over all rows, the same on every
/// machine and for any number of threads, different for every (seed, epoch).
std::vector<std::int64_t> epoch_order(std::int64_t n, std::uint64_t seed, std::int64_t epoch);

}  // namespace jetcal::data
