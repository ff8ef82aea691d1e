// SPDX-License-Identifier: Apache-2.0
// From a record batch of a shard to a view of its jets.
#pragma once

#include <span>
#include <string>

#include "jetcal/data/dataset.h"
#include "jetcal/edm/jet_columns.h"

namespace arrow {
class RecordBatch;
}

namespace jetcal::data::detail {

/// Views the columns that make the target of a jet, and its weight.
struct TargetView {
  edm::JetView jets;              ///< With pt_reco and pt_gen alone.
  std::span<const float> weight;  ///< Empty where the batch has none.
};

struct BatchView {
  edm::JetView jets;
  ShardExtras extras;
};

/// Views the columns of a batch, checking everything that a view relies on; valid as long as the
/// memory of the batch. Throws DataLoss naming the shard `name`, and the column where one is
/// missing or of another type.
BatchView view_batch(const std::string& name, const arrow::RecordBatch& batch);

/// The same of a batch that has the columns of targets; others are not looked at.
TargetView view_targets(const std::string& name, const arrow::RecordBatch& batch);

}  // namespace jetcal::data::detail
