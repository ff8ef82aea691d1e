// SPDX-License-Identifier: Apache-2.0
#include "jetcal/data/write_table.h"

#include <TFile.h>
#include <TTree.h>
#include <arrow/array.h>
#include <arrow/buffer.h>
#include <arrow/io/file.h>
#include <arrow/table.h>
#include <arrow/type.h>
#include <arrow/util/io_util.h>
#include <parquet/arrow/writer.h>

#include <cerrno>
#include <memory>
#include <vector>

#include "jetcal/base/error.h"
#include "jetcal/base/files.h"
#include "jetcal/data/detail/root_errors.h"

namespace jetcal::data {
namespace {

constexpr const char* kTreeName = "jets";
constexpr std::int64_t kRowGroup = 1 << 17;

void check_root(const detail::RootMessages& messages, const TFile* file,
                const std::filesystem::path& path) {
  const bool failed = file == nullptr || file->IsZombie() || file->TestBit(TFile::kWriteError);
  if (!failed && messages.error().empty()) return;
  fail(messages.disk_full() ? ErrorCode::ResourceExhausted : ErrorCode::Internal, "cannot write ",
       path.string(), ": ",
       messages.disk_full() ? "no space left on the device" : messages.error());
}

void write_root(const std::filesystem::path& path, std::span<const NumberColumn> columns) {
  PartialFile part(path);
  const detail::RootMessages messages;
  const std::unique_ptr<TFile> file(TFile::Open(part.path().c_str(), "RECREATE"));
  check_root(messages, file.get(), path);
  auto* const tree = new TTree(kTreeName, "one row a jet");  // owned by the file
  std::vector<double> reals(columns.size());
  std::vector<Long64_t> integers(columns.size());
  std::vector<ULong64_t> naturals(columns.size());
  for (std::size_t i = 0; i < columns.size(); ++i) {
    const std::string& name = columns[i].name;
    if (columns[i].type == NumberType::Real) {
      tree->Branch(name.c_str(), &reals[i], (name + "/D").c_str());
    } else if (columns[i].type == NumberType::Integer) {
      tree->Branch(name.c_str(), &integers[i], (name + "/L").c_str());
    } else {
      tree->Branch(name.c_str(), &naturals[i], (name + "/l").c_str());
    }
  }
  for (std::int64_t row = 0; row < columns.front().size(); ++row) {
    for (std::size_t i = 0; i < columns.size(); ++i) {
      const auto at = static_cast<std::size_t>(row);
      if (columns[i].type == NumberType::Real) {
        reals[i] = columns[i].real[at];
      } else if (columns[i].type == NumberType::Integer) {
        integers[i] = columns[i].integer[at];
      } else {
        naturals[i] = static_cast<ULong64_t>(columns[i].integer[at]);
      }
    }
    tree->Fill();
  }
  tree->Write("", TObject::kOverwrite);
  check_root(messages, file.get(), path);
  file->Close();
  check_root(messages, file.get(), path);
  part.commit();
}

void check_arrow(const arrow::Status& status, const std::filesystem::path& path) {
  if (status.ok()) return;
  const int number = arrow::internal::ErrnoFromStatus(status);
  const bool full = number == ENOSPC || number == EDQUOT;
  fail(full ? ErrorCode::ResourceExhausted : ErrorCode::Internal, "cannot write ", path.string(),
       ": ", full ? "no space left on the device" : status.message());
}

void write_parquet(const std::filesystem::path& path, std::span<const NumberColumn> columns) {
  arrow::FieldVector fields;
  arrow::ArrayVector arrays;
  for (const NumberColumn& column : columns) {
    const bool real = column.type == NumberType::Real;
    const std::shared_ptr<arrow::DataType> type =
        real ? arrow::float64()
             : (column.type == NumberType::Integer ? arrow::int64() : arrow::uint64());
    const std::shared_ptr<arrow::Buffer> buffer =
        real ? arrow::Buffer::Wrap(column.real) : arrow::Buffer::Wrap(column.integer);
    fields.push_back(arrow::field(column.name, type, false));
    arrays.push_back(
        arrow::MakeArray(arrow::ArrayData::Make(type, column.size(), {nullptr, buffer}, 0)));
  }
  PartialFile part(path);
  const auto file = arrow::io::FileOutputStream::Open(part.path().string());
  check_arrow(file.status(), path);
  const auto table = arrow::Table::Make(arrow::schema(fields), arrays, columns.front().size());
  const arrow::Status written = parquet::arrow::WriteTable(
      *table, arrow::default_memory_pool(), *file, kRowGroup,
      parquet::WriterProperties::Builder().enable_page_checksum()->build());
  if (!written.ok() && !(*file)->closed()) static_cast<void>((*file)->Abort());
  check_arrow(written, path);
  check_arrow((*file)->Close(), path);
  part.commit();
}

}  // namespace

bool is_table_name(const std::filesystem::path& path) {
  return path.extension() == ".root" || path.extension() == ".parquet";
}

void write_table(const std::filesystem::path& path, std::span<const NumberColumn> columns) {
  if (!is_table_name(path)) {
    fail(ErrorCode::InvalidArgument, "a table of jets ends in .root or .parquet, not ",
         path.string());
  }
  if (columns.empty()) fail(ErrorCode::InvalidArgument, "no column to write to ", path.string());
  for (const NumberColumn& column : columns) {
    if (column.size() == columns.front().size()) continue;
    fail(ErrorCode::InvalidArgument, "the column ", column.name, " has ", column.size(),
         " rows, the first one has ", columns.front().size());
  }
  if (path.extension() == ".root") {
    write_root(path, columns);
  } else {
    write_parquet(path, columns);
  }
}

}  // namespace jetcal::data
