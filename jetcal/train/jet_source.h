// SPDX-License-Identifier: Apache-2.0
// Where training gets its jets: shards on disk, or anything that gives features by row.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <span>
#include <string>

#include "jetcal/data/dataset.h"
#include "jetcal/data/jet_blocks.h"
#include "jetcal/data/row_order.h"
#include "jetcal/data/sample_origin.h"
#include "jetcal/edm/features.h"
#include "jetcal/train/storage.h"

namespace jetcal::train {

/// Reads the jets of one order, from any position on. For one thread.
class JetReader {
 public:
  virtual ~JetReader() = default;
  /// Appends the jets at the positions [begin, end) of the order and returns their rows, valid
  /// until the next call. `begin` must not fall from call to call.
  virtual std::span<const std::int64_t> append(std::int64_t begin, std::int64_t end,
                                               edm::FeatureBatch& out) = 0;
};

/// Gives features and targets of jets by row. Reading is thread-safe.
class JetSource {
 public:
  virtual ~JetSource() = default;
  virtual std::int64_t num_jets() const = 0;
  virtual void append_features(std::span<const std::int64_t> rows,
                               edm::FeatureBatch& out) const = 0;

  /// Returns the order of an epoch of training. Every row has one position, the same for any number
  /// of workers; as given here a full shuffle.
  virtual data::RowOrder epoch_order(std::uint64_t seed, std::int64_t epoch) const;
  /// Returns every row as it is stored.
  virtual data::RowOrder stored_order() const;
  /// Starts to read in an order of this source; as given here through append_features(). The source
  /// must outlive the reader.
  virtual std::unique_ptr<JetReader> read(data::RowOrder order) const;
  /// Reads the targets and weights of all rows, without their features. Nothing where features
  /// are needed to tell that none of their particles is left out. `check` is called now and then,
  /// and may throw.
  virtual std::optional<data::JetTargets> read_targets(
      [[maybe_unused]] const std::function<void()>& check) const {
    return std::nullopt;
  }
  /// Tells how epoch_order() mixes jets, where that is not a full shuffle; part of what a run is.
  virtual std::string order_name() const { return {}; }
  /// Returns hexadecimal digits that change when the jets do.
  virtual std::string fingerprint() const = 0;
  /// Names the jets in messages, e.g. "train split of shards/".
  virtual std::string name() const = 0;
  /// Says which features it gives.
  virtual edm::InputOptions inputs() const { return {}; }
};

/// The jets of a sample, in its three parts.
struct JetSources {
  std::unique_ptr<JetSource> train, validation, test;
  /// Reports how the jets are held, and what was read and asked again so far: `mode`,
  /// `window_blocks` and, where files are not mapped, `reads`, `read_mb` and `retries`. May be
  /// empty.
  std::function<nlohmann::ordered_json()> storage_report = {};
  /// Of jets that jetcal ingested.
  std::optional<data::SampleOrigin> origin = {};
};

/// Tells whether open_shards() leaves the jets in the files of a folder.
bool maps_shards(const std::filesystem::path& location, const StorageOptions& storage);

/// Opens the shards in a folder or at s3://bucket/prefix (see data::open_store). Throws what
/// data::Dataset::open and data::JetBlocks::open do, and InvalidArgument when a split has no jets,
/// when an object store shall be mapped or when the memory cannot hold two blocks.
JetSources open_shards(const std::filesystem::path& location, const edm::InputOptions& inputs,
                       const StorageOptions& storage = {});

}  // namespace jetcal::train
