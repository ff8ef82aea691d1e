// SPDX-License-Identifier: Apache-2.0
// From a record batch of a shard to a view of its jets.
#pragma once

#include <string>

#include "jetcal/edm/jet_columns.h"

namespace arrow {
class RecordBatch;
}

namespace jetcal::data::detail {

/// Views the columns of a batch, checking everything that a view relies on; valid as long as the
/// memory of the batch. Throws DataLoss naming the shard `name`, and the column where one is
/// missing or of another type.
edm::JetView view_batch(const std::string& name, const arrow::RecordBatch& batch);

}  // namespace jetcal::data::detail
