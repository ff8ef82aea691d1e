// SPDX-License-Identifier: Apache-2.0
// Single columns of a record batch, read from where it lies without the others.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "jetcal/data/detail/shard_footer.h"
#include "jetcal/data/file_store.h"

namespace arrow {
class RecordBatch;
class Schema;
}  // namespace arrow

namespace jetcal::data::detail {

/// Reads the named columns of the batch at `place`: its description, and one range for each buffer
/// that has bytes.
///
/// The batch that is returned has those columns in the order of the schema. Throws DataLoss naming
/// the shard, and the column where it is missing, and what the store throws.
std::shared_ptr<arrow::RecordBatch> read_columns(const FileStore& store, const std::string& file,
                                                 const BatchPlace& place,
                                                 const std::shared_ptr<arrow::Schema>& schema,
                                                 const std::vector<std::string>& columns);

}  // namespace jetcal::data::detail
