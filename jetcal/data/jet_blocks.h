// SPDX-License-Identifier: Apache-2.0
// The blocks of a sample that is not mapped: an index of all, and any one of them read into memory.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "jetcal/data/dataset.h"
#include "jetcal/data/file_store.h"
#include "jetcal/data/ingest.h"
#include "jetcal/edm/jet_columns.h"

namespace jetcal::data {

/// Holds pages of its own, which go back to the system with it: blocks of many megabytes that come
/// and go would leave an allocator's heap full of holes.
class PageMemory {
 public:
  PageMemory() = default;
  /// Throws ResourceExhausted when there is no memory.
  explicit PageMemory(std::size_t bytes);
  ~PageMemory();
  PageMemory(PageMemory&& other) noexcept;
  PageMemory& operator=(PageMemory&& other) noexcept;
  std::span<std::byte> bytes() const noexcept { return bytes_; }

 private:
  std::span<std::byte> bytes_;
};

/// What the loss compares with, of some jets.
struct JetTargets {
  std::vector<float> target;  ///< As edm::FeatureBatch::target [J].
  std::vector<float> weight;  ///< As JetBlock::weights [J] or empty.
};

/// One block in memory; `jets` views `memory`. Can be filled again with another block.
struct JetBlock {
  PageMemory memory;
  edm::JetView jets;
  /// Of the jets, with the mean of the training split scaled to 1; empty: every jet weighs 1.
  std::vector<float> weights;
  std::shared_ptr<const void> batch;  // shared: Arrow's record batch
};

/// Knows where the blocks of a split lie: the record batches of its shards, in the order of the
/// rows. Reading is thread-safe; copies share the index.
class JetBlocks {
 public:
  /// Reads the manifest and both ends of every shard, over up to `connections` connections.
  ///
  /// A split without jets is valid. Throws NotFound without a manifest or shard,
  /// FailedPrecondition when the ingest has not finished, DataLoss naming a shard that is truncated
  /// or is not what the manifest says, InvalidArgument where stored weights sum to 0, and what the
  /// store throws.
  static JetBlocks open(std::shared_ptr<const FileStore> store, Split split, int connections);

  std::int64_t num_jets() const noexcept { return starts_.back(); }
  std::int64_t num_particles() const noexcept { return num_particles_; }
  std::int64_t num_blocks() const noexcept { return std::ssize(blocks_); }
  /// Returns the global row of the first jet of every block, and num_jets() at the end.
  const std::vector<std::int64_t>& starts() const noexcept { return starts_; }
  /// Returns the block of a row. Requires: 0 <= row < num_jets().
  std::int64_t block_of(std::int64_t row) const noexcept;
  std::int64_t total_bytes() const noexcept { return total_bytes_; }
  std::int64_t largest_block_bytes() const noexcept { return largest_bytes_; }
  /// Throws FailedPrecondition when jets came from files without particles.
  void require_particles() const;
  /// Tells whether ingest found no particle that features leave out.
  bool particles_usable() const noexcept { return particles_usable_; }
  /// Tells whether ingest stored weights.
  bool has_weights() const noexcept { return has_weights_; }
  /// Returns what stored weights are multiplied with.
  double weight_scale() const noexcept { return weight_scale_; }
  /// Returns hexadecimal digits that change with the sizes of shards and blocks, with the pT of
  /// each shard's first jets and with the sums of stored weights; the same from a folder and from
  /// an object store.
  const std::string& fingerprint() const noexcept { return fingerprint_; }
  const FileStore& store() const noexcept { return *store_; }

  /// Reads a block. Throws DataLoss naming the shard, and what the store throws.
  void load(std::int64_t block, JetBlock& into) const;
  /// Appends the targets and weights of a block, for which it reads no other column. Throws as
  /// load().
  void append_targets(std::int64_t block, JetTargets& out) const;

 private:
  struct Shard;
  struct Place {
    std::size_t shard = 0;
    std::int64_t offset = 0, description_bytes = 0, body_bytes = 0;
  };
  void add_shard(const Shard& shard, std::int64_t batch_jets);
  void find_weights(const IngestCounts& counts, Split split);
  void require_jets(std::int64_t block, std::int64_t num_jets) const;
  void append_weights(std::span<const float> stored, std::vector<float>& out) const;

  std::shared_ptr<const FileStore> store_;            // shared: one client for all splits
  std::shared_ptr<const std::vector<Shard>> shards_;  // shared by copies
  std::vector<Place> blocks_;
  std::vector<std::int64_t> starts_{0};
  std::int64_t num_particles_ = 0, total_bytes_ = 0, largest_bytes_ = 0;
  std::string without_particles_, fingerprint_;
  bool has_weights_ = false, particles_usable_ = false;
  double weight_scale_ = 1;
};

/// Jets in memory, with their weights as in JetBlock.
struct LoadedJets {
  Dataset jets;
  std::vector<float> weights;
};

/// Reads every block into memory, where any row can be had at once.
LoadedJets load_dataset(const JetBlocks& blocks, int connections);

/// Reads the targets and weights of all jets, in the order of the rows, without their particles.
/// `check` is called now and then on the caller's thread, and may throw.
JetTargets load_targets(const JetBlocks& blocks, int connections,
                        const std::function<void()>& check = {});

/// Calls work(i) for i in [0, count) on up to `num_threads` threads of its own, which may wait for
/// a network. The first exception is rethrown after all have ended.
void run_concurrently(std::int64_t count, int num_threads,
                      const std::function<void(std::int64_t)>& work);

}  // namespace jetcal::data
