// SPDX-License-Identifier: Apache-2.0
#include <arrow/io/file.h>
#include <arrow/ipc/reader.h>
#include <arrow/record_batch.h>

#include "jetcal/base/error.h"
#include "jetcal/data/detail/shard_batch.h"
#include "jetcal/data/detail/shard_file.h"

namespace jetcal::data::detail {
namespace {

struct Memory {
  std::shared_ptr<arrow::io::MemoryMappedFile> file;         // Arrow's interface is in
  std::vector<std::shared_ptr<arrow::RecordBatch>> batches;  // shared pointers
};

}  // namespace

MappedShard map_shard(const std::filesystem::path& path) {
  const std::string name = path.string();
  if (!std::filesystem::exists(path)) fail(ErrorCode::NotFound, "no such shard: ", name);
  const auto check = [&name](const arrow::Status& status) {
    if (!status.ok()) fail(ErrorCode::DataLoss, "corrupt shard ", name, ": ", status.message());
  };
  auto memory = std::make_shared<Memory>();
  auto mapped = arrow::io::MemoryMappedFile::Open(name, arrow::io::FileMode::READ);
  check(mapped.status());
  memory->file = *mapped;
  const auto reader = arrow::ipc::RecordBatchFileReader::Open(memory->file);
  check(reader.status());
  MappedShard shard;
  for (int i = 0; i < (*reader)->num_record_batches(); ++i) {
    const auto batch = (*reader)->ReadRecordBatch(i);
    check(batch.status());
    check((*batch)->Validate());
    memory->batches.push_back(*batch);
    shard.views.push_back(view_batch(name, **batch));
  }
  shard.memory = std::move(memory);
  return shard;
}

}  // namespace jetcal::data::detail
