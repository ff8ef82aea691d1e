// SPDX-License-Identifier: Apache-2.0
#include "jetcal/data/detail/shard_columns.h"

#include <arrow/buffer.h>
#include <arrow/io/interfaces.h>
#include <arrow/ipc/options.h>
#include <arrow/ipc/reader.h>
#include <arrow/record_batch.h>
#include <arrow/type.h>

#include <algorithm>
#include <cstring>
#include <exception>
#include <span>
#include <utility>

#include "jetcal/base/error.h"

namespace jetcal::data::detail {
namespace {

// A description starts with this mark and its length.
constexpr std::uint32_t kContinuation = 0xFFFFFFFF;
constexpr std::size_t kPrefixBytes = 8;

// The columns of one batch as a file, of which Arrow reads what it needs. Exceptions of the store
// wait outside of Arrow, which knows none.
class BatchBody final : public arrow::io::RandomAccessFile {
 public:
  BatchBody(const FileStore& store, const std::string& file, const BatchPlace& place)
      : store_(store),
        file_(file),
        begin_(place.offset + place.description_bytes),
        size_(place.body_bytes) {}

  arrow::Status Close() override {
    closed_ = true;
    return arrow::Status::OK();
  }
  bool closed() const override { return closed_; }
  arrow::Result<std::int64_t> Tell() const override { return position_; }
  arrow::Status Seek(std::int64_t position) override {
    if (position < 0 || position > size_)
      return arrow::Status::Invalid("a column lies outside of its batch");
    position_ = position;
    return arrow::Status::OK();
  }
  arrow::Result<std::int64_t> GetSize() override { return size_; }

  arrow::Result<std::int64_t> Read(std::int64_t count, void* out) override {
    const std::int64_t length = std::clamp<std::int64_t>(count, 0, size_ - position_);
    try {
      store_.read(file_, begin_ + position_,
                  {static_cast<std::byte*>(out), static_cast<std::size_t>(length)});
    } catch (...) {
      error_ = std::current_exception();
      return arrow::Status::IOError("the store has failed");
    }
    position_ += length;
    return length;
  }

  arrow::Result<std::shared_ptr<arrow::Buffer>> Read(std::int64_t count) override {
    const std::int64_t length = std::clamp<std::int64_t>(count, 0, size_ - position_);
    ARROW_ASSIGN_OR_RAISE(std::unique_ptr<arrow::Buffer> buffer, arrow::AllocateBuffer(length));
    ARROW_RETURN_NOT_OK(Read(length, buffer->mutable_data()).status());
    return std::shared_ptr<arrow::Buffer>(std::move(buffer));
  }

  void rethrow() const {
    if (error_) std::rethrow_exception(error_);
  }

 private:
  const FileStore& store_;
  const std::string& file_;
  const std::int64_t begin_, size_;
  std::int64_t position_ = 0;
  bool closed_ = false;
  std::exception_ptr error_;
};

std::vector<int> indices_of(const std::vector<std::string>& columns, const arrow::Schema& schema,
                            const std::string& name) {
  std::vector<int> indices;
  for (const std::string& column : columns) {
    indices.push_back(schema.GetFieldIndex(column));
    if (indices.back() < 0)
      fail(ErrorCode::DataLoss, "the shard ", name, " lacks the column ", column);
  }
  return indices;
}

}  // namespace

std::shared_ptr<arrow::RecordBatch> read_columns(const FileStore& store, const std::string& file,
                                                 const BatchPlace& place,
                                                 const std::shared_ptr<arrow::Schema>& schema,
                                                 const std::vector<std::string>& columns) {
  const std::string name = store.name_of(file);
  arrow::ipc::IpcReadOptions options = arrow::ipc::IpcReadOptions::Defaults();
  options.included_fields = indices_of(columns, *schema, name);
  options.use_threads = false;
  std::vector<std::byte> description(static_cast<std::size_t>(place.description_bytes));
  store.read(file, place.offset, description);
  std::uint32_t mark = 0;
  if (description.size() > kPrefixBytes) std::memcpy(&mark, description.data(), sizeof(mark));
  if (mark != kContinuation)
    fail(ErrorCode::DataLoss, "corrupt shard ", name, ": a record batch has no description");
  const auto metadata = std::span(description).subspan(kPrefixBytes);
  const arrow::Buffer message(reinterpret_cast<const std::uint8_t*>(metadata.data()),
                              std::ssize(metadata));
  BatchBody body(store, file, place);
  const auto batch = arrow::ipc::ReadRecordBatch(message, schema, nullptr, options, &body);
  body.rethrow();
  if (!batch.ok())
    fail(ErrorCode::DataLoss, "corrupt shard ", name, ": ", batch.status().message());
  const arrow::Status valid = (*batch)->Validate();
  if (!valid.ok()) fail(ErrorCode::DataLoss, "corrupt shard ", name, ": ", valid.message());
  return *batch;
}

}  // namespace jetcal::data::detail
