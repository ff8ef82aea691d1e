// SPDX-License-Identifier: Apache-2.0
#include <arrow/array.h>
#include <arrow/buffer.h>
#include <arrow/io/file.h>
#include <arrow/ipc/writer.h>
#include <arrow/record_batch.h>
#include <arrow/type.h>
#include <arrow/util/io_util.h>
#include <arrow/util/key_value_metadata.h>

#include <cerrno>

#include "jetcal/base/error.h"
#include "jetcal/base/files.h"
#include "jetcal/data/detail/shard_file.h"

namespace jetcal::data::detail {
namespace {

template <typename T>
std::shared_ptr<arrow::Array> wrap(const std::vector<T>& values) {
  const auto type = arrow::CTypeTraits<T>::type_singleton();
  return arrow::MakeArray(arrow::ArrayData::Make(type, static_cast<std::int64_t>(values.size()),
                                                 {nullptr, arrow::Buffer::Wrap(values)}, 0));
}

template <typename T>
std::shared_ptr<arrow::Array> wrap_list(const std::vector<std::int64_t>& offsets,
                                        const std::vector<T>& values) {
  const auto type = arrow::large_list(arrow::CTypeTraits<T>::type_singleton());
  return std::make_shared<arrow::LargeListArray>(type,
                                                 static_cast<std::int64_t>(offsets.size()) - 1,
                                                 arrow::Buffer::Wrap(offsets), wrap(values));
}

std::shared_ptr<arrow::Schema> shard_schema() {
  arrow::FieldVector fields;
#define JETCAL_FIELD(type, name) \
  fields.push_back(arrow::field(#name, arrow::CTypeTraits<type>::type_singleton(), false));
  JETCAL_JET_COLUMNS(JETCAL_FIELD)
#undef JETCAL_FIELD
  fields.push_back(arrow::field("source_entry", arrow::int64(), false));
  fields.push_back(arrow::field("source_jet", arrow::int32(), false));
#define JETCAL_FIELD(type, name) \
  fields.push_back(              \
      arrow::field(#name, arrow::large_list(arrow::CTypeTraits<type>::type_singleton()), false));
  JETCAL_PARTICLE_COLUMNS(JETCAL_FIELD)
#undef JETCAL_FIELD
  return arrow::schema(std::move(fields), arrow::key_value_metadata({"jetcal.shard"}, {"1"}));
}

}  // namespace

struct ShardWriter::State {
  State(const std::filesystem::path& path, std::int64_t jets_per_batch)
      : target(path), part(path), batch_jets(jets_per_batch), schema(shard_schema()) {}

  void check(const arrow::Status& status) const {
    if (status.ok()) return;
    const int number = arrow::internal::ErrnoFromStatus(status);
    const bool full = number == ENOSPC || number == EDQUOT;
    fail(full ? ErrorCode::ResourceExhausted : ErrorCode::Internal, "cannot write ",
         target.string(), ": ", full ? "no space left on the device" : status.message());
  }

  void open() {
    auto opened = arrow::io::FileOutputStream::Open(part.path().string());
    check(opened.status());
    stream = *opened;
    arrow::ipc::IpcWriteOptions options = arrow::ipc::IpcWriteOptions::Defaults();
    options.alignment = 64;  // so that mapped columns start on cache lines
    auto made = arrow::ipc::MakeFileWriter(stream, schema, options);
    check(made.status());
    writer = *made;
  }

  void flush() {
    arrow::ArrayVector arrays;
#define JETCAL_WRAP(type, name) arrays.push_back(wrap(jets.name));
    JETCAL_JET_COLUMNS(JETCAL_WRAP)
#undef JETCAL_WRAP
    arrays.push_back(wrap(origins.entry));
    arrays.push_back(wrap(origins.jet));
#define JETCAL_WRAP(type, name) arrays.push_back(wrap_list(jets.offsets, jets.name));
    JETCAL_PARTICLE_COLUMNS(JETCAL_WRAP)
#undef JETCAL_WRAP
    const auto batch = arrow::RecordBatch::Make(schema, jets.num_jets(), std::move(arrays));
    check(writer->WriteRecordBatch(*batch));
    num_jets += jets.num_jets();
    num_particles += jets.num_particles();
    jets = {};
    origins = {};
  }

  std::filesystem::path target;
  PartialFile part;
  std::int64_t batch_jets;
  std::shared_ptr<arrow::Schema> schema;  // Arrow's interface is in shared pointers
  std::shared_ptr<arrow::io::FileOutputStream> stream;
  std::shared_ptr<arrow::ipc::RecordBatchWriter> writer;
  edm::JetColumns jets;
  JetOrigins origins;
  std::int64_t num_jets = 0, num_particles = 0;
};

ShardWriter::ShardWriter(const std::filesystem::path& path, std::int64_t batch_jets)
    : state_(std::make_unique<State>(path, batch_jets)) {
  state_->open();
}

ShardWriter::~ShardWriter() {
  // Arrow would close the stream in its destructor and log what goes wrong.
  if (state_->stream && !state_->stream->closed()) static_cast<void>(state_->stream->Abort());
}

void ShardWriter::append(const edm::JetView& jets, std::int64_t row, std::int64_t entry,
                         std::int32_t jet) {
  state_->jets.append(jets, row);
  state_->origins.entry.push_back(entry);
  state_->origins.jet.push_back(jet);
  if (state_->jets.num_jets() == state_->batch_jets) state_->flush();
}

void ShardWriter::finish() {
  if (state_->jets.num_jets() > 0) state_->flush();
  state_->check(state_->writer->Close());
  state_->check(state_->stream->Close());
  state_->part.commit();
}

std::int64_t ShardWriter::num_jets() const noexcept {
  return state_->num_jets + state_->jets.num_jets();
}

std::int64_t ShardWriter::num_particles() const noexcept {
  return state_->num_particles + state_->jets.num_particles();
}

}  // namespace jetcal::data::detail
