// SPDX-License-Identifier: Apache-2.0
#include "jetcal/data/branch_reader.h"

#include <TFile.h>

#include <algorithm>

#include "jetcal/base/error.h"
#include "jetcal/data/detail/file_in_work.h"
#include "jetcal/data/detail/parquet_file.h"
#include "jetcal/data/detail/root_file.h"
#include "jetcal/data/root_jet_reader.h"

namespace jetcal::data {

namespace {

using detail::Kind;
using detail::Shape;

// Opens the tree of a source once more, without the columns that the jets need.
std::unique_ptr<detail::Table> reopen(TFile& file, const RootSource& source) {
  const bool is_ntuple = source.storage == Storage::RNTuple;
  for (const detail::TreeKey& key : detail::list_trees(file)) {
    if (key.name == source.tree && key.is_ntuple == is_ntuple) return detail::open_table(file, key);
  }
  fail(ErrorCode::DataLoss, "the tree ", source.tree, " vanished from ", source.path.string());
}

// Returns whether the branch holds real numbers or integers.
Kind check_type(const detail::Table& table, const RootSource& source, const std::string& branch) {
  const std::string path = source.path.string();
  const std::optional<detail::ColumnType> type = table.type(branch);
  if (!type) detail::fail_missing(path, branch);
  if (!type->kind) {
    fail(ErrorCode::InvalidArgument, "the branch ", branch, " in ", path,
         " does not hold numbers but ", type->name);
  }
  if ((type->shape == Shape::List) != source.rows_are_events()) {
    fail(ErrorCode::InvalidArgument, "the branch ", branch, " in ", path, " holds ", type->name,
         source.rows_are_events() ? " per event, not a number for each jet"
                                  : " per entry, not one number");
  }
  return *type->kind;
}

}  // namespace

std::vector<float> read_branch(const std::filesystem::path& path, const std::string& tree,
                               const std::string& branch) {
  const detail::FileInWork in_work(path);
  const RootSource source = RootJetReader(path, tree).source();
  if (source.storage == Storage::Parquet) return detail::read_parquet_column(path.string(), branch);
  const std::unique_ptr<TFile> file = detail::open_root_file(path);
  const std::unique_ptr<detail::Table> table = reopen(*file, source);
  const Kind kind = check_type(*table, source, branch);
  const bool lists = source.rows_are_events();
  const auto column = table->bind(branch, kind, lists ? Shape::List : Shape::Scalar);
  const auto jet_pt = lists ? table->bind("Jet_pt", Kind::Real, Shape::List) : column;
  std::vector<float> values;
  for (std::int64_t entry = 0; entry < source.num_entries; ++entry) {
    table->load(entry);
    const std::size_t before = values.size();
    if (kind == Kind::Real) {
      const auto reals = table->reals(column);
      values.insert(values.end(), reals.begin(), reals.end());
    } else {
      for (const std::int64_t value : table->integers(column))
        values.push_back(static_cast<float>(value));
    }
    const std::size_t got = values.size() - before;
    const std::size_t jets = lists ? table->reals(jet_pt).size() : 1;
    if (got != jets) {
      fail(ErrorCode::DataLoss, "entry ", entry, " of ", path.string(), " has ", jets, " jets but ",
           got, " values in the branch ", branch);
    }
  }
  return values;
}

}  // namespace jetcal::data
