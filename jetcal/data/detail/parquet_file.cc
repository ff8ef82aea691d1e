// SPDX-License-Identifier: Apache-2.0
#include "jetcal/data/detail/parquet_file.h"

#include <arrow/array.h>
#include <arrow/io/file.h>
#include <arrow/record_batch.h>
#include <arrow/table.h>
#include <arrow/type.h>
#include <arrow/util/io_util.h>
#include <parquet/arrow/reader.h>
#include <parquet/arrow/writer.h>
#include <parquet/exception.h>

#include <cerrno>
#include <fstream>

#include "jetcal/base/error.h"
#include "jetcal/base/files.h"
#include "jetcal/data/detail/jet_rows.h"

namespace jetcal::data::detail {
namespace {

constexpr std::int64_t kBatchRows = 1024;

std::string first_line(const std::string& text) { return text.substr(0, text.find('\n')); }

[[noreturn]] void fail_damaged(const std::string& path, const std::string& why) {
  fail(ErrorCode::DataLoss, "truncated or damaged Parquet file ", path, ": ", first_line(why));
}

template <typename T>
T must(arrow::Result<T> result, const std::string& path) {
  if (!result.ok()) fail_damaged(path, result.status().message());
  return std::move(result).ValueUnsafe();
}

void must(const arrow::Status& status, const std::string& path) {
  if (!status.ok()) fail_damaged(path, status.message());
}

std::unique_ptr<parquet::arrow::FileReader> open_file(const std::string& path) {
  try {
    auto file = must(arrow::io::ReadableFile::Open(path), path);
    parquet::ReaderProperties properties = parquet::default_reader_properties();
    properties.set_page_checksum_verification(true);  // of pages that have one
    parquet::arrow::FileReaderBuilder builder;
    must(builder.Open(file, properties), path);
    auto reader = must(builder.Build(), path);
    reader->set_batch_size(kBatchRows);
    return reader;
  } catch (const parquet::ParquetException& error) {
    fail_damaged(path, error.what());
  }
}

template <typename To>
struct Append {
  const arrow::Array& array;
  std::int64_t begin, end;
  std::vector<To>& to;

  template <typename From>
  bool values() {
    const From* from = array.data()->GetValues<From>(1);
    for (std::int64_t i = begin; i < end; ++i) to.push_back(static_cast<To>(from[i]));
    return true;
  }

  bool booleans() {
    const auto& bits = static_cast<const arrow::BooleanArray&>(array);
    for (std::int64_t i = begin; i < end; ++i) to.push_back(static_cast<To>(bits.Value(i)));
    return true;
  }

  // Returns false for a type that is not numeric.
  bool run() {
    switch (array.type_id()) {
      case arrow::Type::FLOAT:
        return values<float>();
      case arrow::Type::DOUBLE:
        return values<double>();
      case arrow::Type::INT8:
        return values<std::int8_t>();
      case arrow::Type::UINT8:
        return values<std::uint8_t>();
      case arrow::Type::INT16:
        return values<std::int16_t>();
      case arrow::Type::UINT16:
        return values<std::uint16_t>();
      case arrow::Type::INT32:
        return values<std::int32_t>();
      case arrow::Type::UINT32:
        return values<std::uint32_t>();
      case arrow::Type::INT64:
        return values<std::int64_t>();
      case arrow::Type::UINT64:
        return values<std::uint64_t>();
      case arrow::Type::BOOL:
        return booleans();
      default:
        return false;
    }
  }
};

bool is_real(const arrow::DataType& type) {
  return type.id() == arrow::Type::FLOAT || type.id() == arrow::Type::DOUBLE;
}

// The columns of one batch, with everything checked that append() relies on.
class BatchColumns {
 public:
  BatchColumns(const std::string& path, const arrow::RecordBatch& batch)
      : path_(path), batch_(batch) {}

  // Appends rows [begin, end) of a column of numbers.
  template <typename To>
  void append(const std::string& name, std::int64_t begin, std::int64_t end, std::vector<To>& to) {
    append_values<To>(name, *column(name), begin, end, to);
  }

  // Appends the list of one row and returns its length.
  template <typename To>
  std::int64_t append_list(const std::string& name, std::int64_t row, std::vector<To>& to) {
    const std::shared_ptr<arrow::Array> array = column(name);
    require_values(name, *array);  // an empty value would be a jet without particles
    std::int64_t begin = 0, end = 0;
    std::shared_ptr<arrow::Array> values;
    if (array->type_id() == arrow::Type::LIST) {
      const auto& list = static_cast<const arrow::ListArray&>(*array);
      begin = list.value_offset(row);
      end = list.value_offset(row + 1);
      values = list.values();
    } else if (array->type_id() == arrow::Type::LARGE_LIST) {
      const auto& list = static_cast<const arrow::LargeListArray&>(*array);
      begin = list.value_offset(row);
      end = list.value_offset(row + 1);
      values = list.values();
    } else {
      fail_type(name, *array, "lists of numbers");
    }
    append_values<To>(name, *values, begin, end, to);
    return end - begin;
  }

 private:
  std::shared_ptr<arrow::Array> column(const std::string& name) const {
    std::shared_ptr<arrow::Array> array = batch_.GetColumnByName(name);
    if (!array) fail(ErrorCode::InvalidArgument, "missing column ", name, " in ", path_);
    return array;
  }

  void require_values(const std::string& name, const arrow::Array& array) const {
    if (array.null_count() != 0)
      fail(ErrorCode::InvalidArgument, "the column ", name, " in ", path_, " has empty values");
  }

  template <typename To>
  void append_values(const std::string& name, const arrow::Array& array, std::int64_t begin,
                     std::int64_t end, std::vector<To>& to) {
    require_values(name, array);
    // A real number is not cut to an integer; the other way nothing is lost that matters.
    if (std::is_integral_v<To> && is_real(*array.type())) fail_type(name, array, "integers");
    if (!Append<To>{array, begin, end, to}.run()) fail_type(name, array, "numbers");
  }

  [[noreturn]] void fail_type(const std::string& name, const arrow::Array& array,
                              const char* want) const {
    fail(ErrorCode::InvalidArgument, "the column ", name, " in ", path_, " holds ",
         array.type()->ToString(), ", needed are ", want);
  }

  const std::string& path_;
  const arrow::RecordBatch& batch_;
};

// Names the columns that jets need, particle columns last.
std::vector<std::string> needed_columns() {
  std::vector<std::string> names;
#define JETCAL_NAME(type, name) names.emplace_back(#name);
  JETCAL_JET_COLUMNS(JETCAL_NAME)
  JETCAL_PARTICLE_COLUMNS(JETCAL_NAME)
#undef JETCAL_NAME
  return names;
}

// Finds the leaf columns that belong to the named fields; throws for a missing one.
std::vector<int> leaves_of(const parquet::arrow::FileReader& reader, const std::string& path,
                           const std::vector<std::string>& names) {
  const parquet::SchemaDescriptor& schema = *reader.parquet_reader()->metadata()->schema();
  std::vector<int> leaves;
  for (const std::string& name : names) {
    const std::size_t before = leaves.size();
    for (int i = 0; i < schema.num_columns(); ++i) {
      if (schema.GetColumnRoot(i)->name() == name) leaves.push_back(i);
    }
    if (leaves.size() == before)
      fail(ErrorCode::InvalidArgument, "missing column ", name, " in ", path);
  }
  return leaves;
}

// Reads some columns of a file batch by batch.
class BatchStream {
 public:
  BatchStream(const std::string& path, const std::vector<std::string>& names)
      : path_(path), file_(open_file(path)) {
    std::vector<int> groups(static_cast<std::size_t>(file_->num_row_groups()));
    for (std::size_t i = 0; i < groups.size(); ++i) groups[i] = static_cast<int>(i);
    batches_ = must(file_->GetRecordBatchReader(groups, leaves_of(*file_, path, names)), path);
  }

  std::int64_t num_rows() const { return file_->parquet_reader()->metadata()->num_rows(); }

  // Returns null at the end.
  std::shared_ptr<arrow::RecordBatch> next() {
    std::shared_ptr<arrow::RecordBatch> batch;
    try {
      must(batches_->ReadNext(&batch), path_);
      if (batch) must(batch->Validate(), path_);
    } catch (const parquet::ParquetException& error) {
      fail_damaged(path_, error.what());
    }
    return batch;
  }

 private:
  std::string path_;
  std::unique_ptr<parquet::arrow::FileReader> file_;
  std::unique_ptr<arrow::RecordBatchReader> batches_;
};

class ParquetRows final : public RootJetReader::Rows {
 public:
  explicit ParquetRows(const std::string& path)
      : Rows(nullptr),
        path_(path),
        columns_(needed_columns()),
        stream_(std::make_unique<BatchStream>(path, columns_)) {}

  std::int64_t num_rows() const { return stream_->num_rows(); }

  bool has_branch(const std::string& name) const override {
    return column_type(open_file(path_).get(), name) != nullptr;
  }

  NumberColumn bind_branch(const std::string& name, const RootSource& /*source*/) override {
    const auto file = open_file(path_);
    const std::shared_ptr<arrow::DataType> type = column_type(file.get(), name);
    if (!type) fail(ErrorCode::InvalidArgument, "missing column ", name, " in ", path_);
    if (!is_real(*type) && !arrow::is_integer(type->id()) && type->id() != arrow::Type::BOOL) {
      fail(ErrorCode::InvalidArgument, "the column ", name, " in ", path_, " holds ",
           type->ToString(), ", not one number per jet");
    }
    NumberColumn column{name, NumberType::Real, {}, {}};
    if (!is_real(*type)) {
      column.type = type->id() == arrow::Type::UINT64 ? NumberType::Unsigned : NumberType::Integer;
    }
    if (std::find(columns_.begin(), columns_.end(), name) == columns_.end()) {
      columns_.push_back(name);
      stream_ = std::make_unique<BatchStream>(path_, columns_);
    }
    return column;
  }

  void append_branches(std::int64_t /*entry*/, std::int64_t /*num_jets*/,
                       std::vector<NumberColumn>& branches) override {
    BatchColumns columns(path_, *batch_);
    for (NumberColumn& branch : branches) {
      if (branch.type == NumberType::Real) {
        columns.append(branch.name, row_ - 1, row_, branch.real);
      } else {
        columns.append(branch.name, row_ - 1, row_, branch.integer);
      }
    }
  }

  void read(std::int64_t entry, edm::JetColumns& jets, JetOrigins* origins) override {
    while (!batch_ || row_ == batch_->num_rows()) {
      batch_ = stream_->next();
      row_ = 0;
      if (!batch_) fail_damaged(path_, "it ends before row " + std::to_string(entry));
    }
    BatchColumns columns(path_, *batch_);
#define JETCAL_APPEND(type, name) columns.append(#name, row_, row_ + 1, jets.name);
    JETCAL_JET_COLUMNS(JETCAL_APPEND)
#undef JETCAL_APPEND
    std::int64_t count = -1;
#define JETCAL_APPEND(type, name) \
  check_length(#name, entry, columns.append_list(#name, row_, jets.name), count);
    JETCAL_PARTICLE_COLUMNS(JETCAL_APPEND)
#undef JETCAL_APPEND
    jets.offsets.push_back(jets.offsets.back() + count);
    if (origins != nullptr) {
      origins->entry.push_back(entry);
      origins->jet.push_back(0);
    }
    ++row_;
  }

 private:
  void check_length(const char* column, std::int64_t entry, std::int64_t got,
                    std::int64_t& count) const {
    if (count < 0) count = got;
    if (got == count) return;
    fail(ErrorCode::DataLoss, "row ", entry, " of ", path_, " has ", count, " values of pf_pt but ",
         got, " in the column ", column);
  }

  // Returns null when there is no such column.
  std::shared_ptr<arrow::DataType> column_type(parquet::arrow::FileReader* file,
                                               const std::string& name) const {
    std::shared_ptr<arrow::Schema> schema;
    must(file->GetSchema(&schema), path_);
    const auto field = schema->GetFieldByName(name);
    return field ? field->type() : nullptr;
  }

  std::string path_;
  std::vector<std::string> columns_;
  std::unique_ptr<BatchStream> stream_;
  std::shared_ptr<arrow::RecordBatch> batch_;  // Arrow's interface is in shared pointers
  std::int64_t row_ = 0;
};

void check_write(const arrow::Status& status, const std::filesystem::path& output) {
  if (status.ok()) return;
  const int number = arrow::internal::ErrnoFromStatus(status);
  const bool full = number == ENOSPC || number == EDQUOT;
  fail(full ? ErrorCode::ResourceExhausted : ErrorCode::Internal, "cannot write ", output.string(),
       ": ", full ? "no space left on the device" : first_line(status.message()));
}

}  // namespace

bool is_parquet(const std::filesystem::path& path) {
  std::ifstream in(path, std::ios::binary);
  std::string magic(4, '\0');
  in.read(magic.data(), 4);
  return in.gcount() == 4 && magic == "PAR1";
}

std::unique_ptr<RootJetReader::Rows> open_parquet_rows(const std::string& path,
                                                       std::int64_t& num_rows) {
  auto rows = std::make_unique<ParquetRows>(path);
  num_rows = rows->num_rows();
  return rows;
}

std::vector<float> read_parquet_column(const std::string& path, const std::string& column) {
  BatchStream stream(path, {column});
  std::vector<float> values;
  while (const auto batch = stream.next())
    BatchColumns(path, *batch).append(column, 0, batch->num_rows(), values);
  return values;
}

void write_parquet_with_column(const std::filesystem::path& input,
                               const std::filesystem::path& output, const std::string& column,
                               std::span<const float> values) {
  const std::string path = input.string();
  const auto reader = open_file(path);
  std::shared_ptr<arrow::Schema> schema;
  must(reader->GetSchema(&schema), path);
  if (schema->GetFieldIndex(column) >= 0 || schema->GetFieldByName(column) != nullptr)
    fail(ErrorCode::AlreadyExists, "the file ", path, " has a column ", column, " already");
  const auto rows = reader->parquet_reader()->metadata()->num_rows();
  if (rows != static_cast<std::int64_t>(values.size())) {
    fail(ErrorCode::InvalidArgument, "the column ", column, " has ", values.size(), " values for ",
         rows, " jets in ", path);
  }
  const auto field = arrow::field(column, arrow::float32(), false);
  const auto wider = must(schema->AddField(schema->num_fields(), field), path);
  PartialFile part(output);
  const auto file = arrow::io::FileOutputStream::Open(part.path().string());
  check_write(file.status(), output);
  auto writer = parquet::arrow::FileWriter::Open(
      *wider, arrow::default_memory_pool(), *file,
      parquet::WriterProperties::Builder().enable_page_checksum()->build(),
      parquet::ArrowWriterProperties::Builder().store_schema()->build());
  check_write(writer.status(), output);
  const auto* next = values.data();
  for (int group = 0; group < reader->num_row_groups(); ++group) {
    const auto table = must(reader->ReadRowGroup(group), path);
    const auto added = std::make_shared<arrow::FloatArray>(
        table->num_rows(), arrow::Buffer::Wrap(next, static_cast<std::size_t>(table->num_rows())));
    next += table->num_rows();
    const auto whole = must(
        table->AddColumn(table->num_columns(), field, std::make_shared<arrow::ChunkedArray>(added)),
        path);
    check_write((*writer)->WriteTable(*whole, std::max<std::int64_t>(table->num_rows(), 1)),
                output);
  }
  check_write((*writer)->Close(), output);
  check_write((*file)->Close(), output);
  part.commit();
}

}  // namespace jetcal::data::detail
