// SPDX-License-Identifier: Apache-2.0
#include "jetcal/cli/column_file.h"

#include <arrow/api.h>
#include <arrow/csv/api.h>
#include <arrow/io/api.h>
#include <parquet/arrow/reader.h>

#include <algorithm>

#include "jetcal/base/error.h"

namespace jetcal::cli {

namespace {

template <typename T>
T unwrap(arrow::Result<T> result, const std::filesystem::path& path, ErrorCode code) {
  if (result.ok()) return std::move(result).ValueUnsafe();
  std::string message = result.status().message();
  fail(code, path.string(), ": ", message.substr(0, message.find('\n')));
}

std::shared_ptr<arrow::Table> read_csv(const std::filesystem::path& path,
                                       const std::vector<std::string>& numbers,
                                       const std::vector<std::string>& texts) {
  const auto file = unwrap(arrow::io::ReadableFile::Open(path.string()), path, ErrorCode::NotFound);
  auto parse = arrow::csv::ParseOptions::Defaults();
  auto convert = arrow::csv::ConvertOptions::Defaults();
  for (const std::string& name : numbers) convert.column_types[name] = arrow::float64();
  for (const std::string& name : texts) convert.column_types[name] = arrow::utf8();
  convert.strings_can_be_null = false;
  // Only these stand for "no value"; nan is a number that the correction refuses.
  convert.null_values = {""};
  const auto reader =
      unwrap(arrow::csv::TableReader::Make(arrow::io::default_io_context(), file,
                                           arrow::csv::ReadOptions::Defaults(), parse, convert),
             path, ErrorCode::InvalidArgument);
  return unwrap(reader->Read(), path, ErrorCode::InvalidArgument);
}

std::shared_ptr<arrow::Table> read_parquet(const std::filesystem::path& path) {
  const auto file = unwrap(arrow::io::ReadableFile::Open(path.string()), path, ErrorCode::NotFound);
  const auto reader = unwrap(parquet::arrow::OpenFile(file, arrow::default_memory_pool()), path,
                             ErrorCode::DataLoss);
  return unwrap(reader->ReadTable(), path, ErrorCode::DataLoss);
}

std::vector<double> to_numbers(const arrow::ChunkedArray& column, const std::string& name,
                               const std::filesystem::path& path) {
  std::vector<double> values;
  values.reserve(static_cast<std::size_t>(column.length()));
  for (const auto& chunk : column.chunks()) {
    for (std::int64_t i = 0; i < chunk->length(); ++i) {
      if (chunk->IsNull(i)) {
        fail(ErrorCode::InvalidArgument, path.string(), ": ", name, " of row ", values.size(),
             " (counted from 0) has no value");
      }
      if (chunk->type_id() == arrow::Type::DOUBLE) {
        values.push_back(static_cast<const arrow::DoubleArray&>(*chunk).Value(i));
        continue;
      }
      const auto scalar = unwrap(chunk->GetScalar(i), path, ErrorCode::DataLoss);
      const auto number = scalar->CastTo(arrow::float64());
      if (!number.ok() || arrow::is_base_binary_like(chunk->type_id()))
        fail(ErrorCode::InvalidArgument, path.string(), ": the column ", name, " holds ",
             chunk->type()->ToString(), ", not numbers");
      values.push_back(static_cast<const arrow::DoubleScalar&>(**number).value);
    }
  }
  return values;
}

std::vector<std::string> to_texts(const arrow::ChunkedArray& column, const std::string& name,
                                  const std::filesystem::path& path) {
  std::vector<std::string> values;
  for (const auto& chunk : column.chunks()) {
    if (chunk->type_id() != arrow::Type::STRING)
      fail(ErrorCode::InvalidArgument, path.string(), ": the column ", name, " holds ",
           chunk->type()->ToString(), ", not texts");
    const auto& texts = static_cast<const arrow::StringArray&>(*chunk);
    for (std::int64_t i = 0; i < texts.length(); ++i) values.emplace_back(texts.GetView(i));
  }
  return values;
}

}  // namespace

ColumnFile read_columns(const std::filesystem::path& path, const std::vector<std::string>& numbers,
                        const std::vector<std::string>& texts) {
  if (!std::filesystem::exists(path)) fail(ErrorCode::NotFound, "no such file: ", path.string());
  const bool parquet = path.extension() == ".parquet";
  const std::shared_ptr<arrow::Table> table =
      parquet ? read_parquet(path) : read_csv(path, numbers, texts);
  ColumnFile file;
  file.rows = table->num_rows();
  const auto column_of = [&](const std::string& name) {
    const std::vector<int> found = table->schema()->GetAllFieldIndices(name);
    if (found.size() > 1)
      fail(ErrorCode::InvalidArgument, path.string(), ": two columns are named ", name);
    return found.empty() ? nullptr : table->column(found[0]);
  };
  for (const std::string& name : numbers)
    if (const auto column = column_of(name)) file.numbers[name] = to_numbers(*column, name, path);
  for (const std::string& name : texts)
    if (const auto column = column_of(name)) file.texts[name] = to_texts(*column, name, path);
  return file;
}

}  // namespace jetcal::cli
