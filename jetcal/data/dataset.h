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
                          std::shared_ptr<const void> memory);

  std::int64_t num_jets() const noexcept { return first_rows_.back(); }
  std::int64_t num_particles() const noexcept { return num_particles_; }
  /// Tells whether all jets came from files with particles; without them no network can be used.
  bool has_particles() const noexcept { return without_particles_.empty(); }

  /// Counts the views that shard() gives. A shard file holds one or more of them (its record
  /// batches, at most ingest's 16,384 jets each); they follow each other in the order of the rows.
  std::int64_t num_shards() const noexcept { return static_cast<std::int64_t>(views_.size()); }
  /// Views shard i; valid as long as this Dataset or a copy of it lives.
  const edm::JetView& shard(std::int64_t i) const { return views_[static_cast<std::size_t>(i)]; }
  /// Returns the global row of the first jet of shard i.
  std::int64_t first_row(std::int64_t i) const { return first_rows_[static_cast<std::size_t>(i)]; }

  /// Appends the features of the given global rows, in the given order. Where it throws, some may
  /// have been appended.
  /// Requires: 0 <= row < num_jets(); throws InvalidArgument otherwise, and FailedPrecondition when
  /// the jets came from files without particles.
  void append_features(std::span<const std::int64_t> rows, edm::InputMode mode,
                       edm::FeatureBatch& out) const;

 private:
  detail::JetPlace find(std::int64_t row) const;

  Dataset() = default;
  std::vector<edm::JetView> views_;
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
