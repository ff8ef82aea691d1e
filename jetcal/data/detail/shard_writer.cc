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

std::shared_ptr<arrow::DataType> observer_type(NumberType type) {
  if (type == NumberType::Real) return arrow::float64();
  return type == NumberType::Integer ? arrow::int64() : arrow::uint64();
}

std::shared_ptr<arrow::Array> wrap_observer(const NumberColumn& column) {
  const std::shared_ptr<arrow::Buffer> buffer = column.type == NumberType::Real
                                                    ? arrow::Buffer::Wrap(column.real)
                                                    : arrow::Buffer::Wrap(column.integer);
  return arrow::MakeArray(
      arrow::ArrayData::Make(observer_type(column.type), column.size(), {nullptr, buffer}, 0));
}

std::shared_ptr<arrow::Schema> shard_schema(bool weighted,
                                            const std::vector<NumberColumn>& observers) {
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
  if (weighted) fields.push_back(arrow::field("training_weight", arrow::float32(), false));
  for (const NumberColumn& observer : observers)
    fields.push_back(arrow::field(observer.name, observer_type(observer.type), false));
  return arrow::schema(std::move(fields), arrow::key_value_metadata({"jetcal.shard"}, {"1"}));
}

}  // namespace

struct ShardWriter::State {
  State(const std::filesystem::path& path, std::int64_t jets_per_batch, bool with_weights,
        const std::vector<NumberColumn>& observer_types)
      : target(path),
        part(path),
        batch_jets(jets_per_batch),
        weighted(with_weights),
        schema(shard_schema(with_weights, observer_types)) {
    for (const NumberColumn& column : observer_types)
      observers.push_back({column.name, column.type, {}, {}});
  }

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
    if (weighted) arrays.push_back(wrap(weights));
    for (const NumberColumn& observer : observers) arrays.push_back(wrap_observer(observer));
    const auto batch = arrow::RecordBatch::Make(schema, jets.num_jets(), std::move(arrays));
    check(writer->WriteRecordBatch(*batch));
    num_jets += jets.num_jets();
    num_particles += jets.num_particles();
    jets = {};
    origins = {};
    weights.clear();
    for (NumberColumn& observer : observers) observer.clear();
  }

  std::filesystem::path target;
  PartialFile part;
  std::int64_t batch_jets;
  bool weighted;
  std::shared_ptr<arrow::Schema> schema;  // Arrow's interface is in shared pointers
  std::shared_ptr<arrow::io::FileOutputStream> stream;
  std::shared_ptr<arrow::ipc::RecordBatchWriter> writer;
  edm::JetColumns jets;
  JetOrigins origins;
  std::vector<float> weights;
  std::vector<NumberColumn> observers;
  std::int64_t num_jets = 0, num_particles = 0;
};

ShardWriter::ShardWriter(const std::filesystem::path& path, std::int64_t batch_jets, bool weighted,
                         const std::vector<NumberColumn>& observers)
    : state_(std::make_unique<State>(path, batch_jets, weighted, observers)) {
  state_->open();
}

ShardWriter::~ShardWriter() {
  // Arrow would close the stream in its destructor and log what goes wrong.
  if (state_->stream && !state_->stream->closed()) static_cast<void>(state_->stream->Abort());
}

void ShardWriter::append(const edm::JetView& jets, std::int64_t row, std::int64_t entry,
                         std::int32_t jet, float weight,
                         const std::vector<NumberColumn>& observers) {
  state_->jets.append(jets, row);
  if (state_->weighted) state_->weights.push_back(weight);
  for (std::size_t i = 0; i < state_->observers.size(); ++i)
    state_->observers[i].append(observers[i].view(), row);
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
