// SPDX-License-Identifier: Apache-2.0
// Where training gets its jets: shards on disk, or anything that gives features by row.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <span>
#include <string>

#include "jetcal/data/dataset.h"
#include "jetcal/edm/features.h"

namespace jetcal::train {

/// Gives features and targets of jets by row. Reading is thread-safe.
class JetSource {
 public:
  virtual ~JetSource() = default;
  virtual std::int64_t num_jets() const = 0;
  virtual void append_features(std::span<const std::int64_t> rows,
                               edm::FeatureBatch& out) const = 0;
  /// Returns hexadecimal digits that change when the jets do.
  virtual std::string fingerprint() const = 0;
  /// Names the jets in messages, e.g. "train split of shards/".
  virtual std::string name() const = 0;
};

/// The jets of a sample, in its three parts.
struct JetSources {
  std::unique_ptr<JetSource> train, validation, test;
};

/// Opens the shards of a folder. Throws what data::Dataset::open does, and InvalidArgument when a
/// split has no jets.
JetSources open_shards(const std::filesystem::path& dir, edm::InputMode mode);

}  // namespace jetcal::train
