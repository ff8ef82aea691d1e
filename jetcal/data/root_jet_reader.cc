// SPDX-License-Identifier: Apache-2.0
#include "jetcal/data/root_jet_reader.h"

#include <TFile.h>

#include <algorithm>
#include <optional>

#include "jetcal/base/error.h"
#include "jetcal/data/detail/file_in_work.h"
#include "jetcal/data/detail/jet_rows.h"
#include "jetcal/data/detail/parquet_file.h"
#include "jetcal/data/detail/root_errors.h"
#include "jetcal/data/detail/root_file.h"

namespace jetcal::data {

namespace {

constexpr const char* kJetNtupleTree = "AK4jets/jetTree";
constexpr const char* kNanoTree = "Events";

struct Found {
  detail::TreeKey key;
  Schema schema;
  std::unique_ptr<detail::Table> table;
};

// A tree is of a schema when it has its telltale branch, or its published name: then the error
// names the branch that is missing, rather than the tree.
std::optional<Schema> schema_of(const detail::TreeKey& key, const detail::Table& table) {
  if (table.has("jetPt") || key.name == kJetNtupleTree) return Schema::JetNTuple;
  if (!table.has("Jet_pt") && key.name != kNanoTree) return std::nullopt;
  return detail::has_candidates(table) ? Schema::PFNano : Schema::NanoAOD;
}

Found find_tree(TFile& file, const std::string& wanted) {
  const std::vector<detail::TreeKey> keys = detail::list_trees(file);
  std::vector<Found> found;
  std::string names;
  for (const detail::TreeKey& key : keys) {
    names += (names.empty() ? "" : ", ") + key.name;
    if (!wanted.empty() && key.name != wanted) continue;
    std::unique_ptr<detail::Table> table = detail::open_table(file, key);
    if (const std::optional<Schema> schema = schema_of(key, *table))
      found.push_back({key, *schema, std::move(table)});
  }
  if (names.empty()) fail(ErrorCode::InvalidArgument, "no tree in ", file.GetName());
  if (found.empty()) {
    fail(ErrorCode::InvalidArgument, "no tree ",
         wanted.empty() ? "with the branches of JetNTuple or NanoAOD"
                        : wanted + " of a known schema",
         " in ", file.GetName(), ", which has ", names);
  }
  const auto published = std::find_if(found.begin(), found.end(), [](const Found& tree) {
    return tree.key.name == kJetNtupleTree || tree.key.name == kNanoTree;
  });
  if (published != found.end()) return std::move(*published);
  if (found.size() > 1) {
    fail(ErrorCode::InvalidArgument, "several trees with jets in ", file.GetName(),
         ", name one of them: ", names);
  }
  return std::move(found.front());
}

}  // namespace

std::string_view schema_name(Schema schema) noexcept {
  switch (schema) {
    case Schema::JetNTuple:
      return "JetNTuple";
    case Schema::PFNano:
      return "PFNano";
    case Schema::NanoAOD:
      return "NanoAOD";
    case Schema::JetTable:
      break;
  }
  return "JetTable";
}

std::string_view storage_name(Storage storage) noexcept {
  switch (storage) {
    case Storage::TTree:
      return "TTree";
    case Storage::RNTuple:
      return "RNTuple";
    case Storage::Parquet:
      break;
  }
  return "Parquet";
}

RootJetReader::RootJetReader(const std::filesystem::path& path, const std::string& tree) {
  source_.path = path;
  const detail::FileInWork in_work(source_.path);
  if (!detail::is_parquet(path)) {
    open_tree(tree);
  } else {
    if (!tree.empty())
      fail(ErrorCode::InvalidArgument, "the Parquet file ", path.string(), " has no tree ", tree);
    source_.schema = Schema::JetTable;
    source_.storage = Storage::Parquet;
    source_.layout = "jettable";
    rows_ = detail::open_parquet_rows(path.string(), source_.num_entries);
  }
  source_.missing = rows_->missing();
}

void RootJetReader::open_tree(const std::string& wanted) {
  const std::string path = source_.path.string();
  file_ = detail::open_root_file(path);
  Found found = find_tree(*file_, wanted);
  source_.schema = found.schema;
  source_.storage = found.key.is_ntuple ? Storage::RNTuple : Storage::TTree;
  source_.tree = found.key.name;
  source_.cycle = found.key.cycle;
  source_.num_cycles = found.key.num_cycles;
  source_.num_entries = found.table->num_entries();
  if (found.schema == Schema::JetNTuple) {
    source_.layout = "jetntuple";
    rows_ = detail::make_jet_ntuple_rows(std::move(found.table), path);
    return;
  }
  const bool candidates = found.schema == Schema::PFNano;
  source_.layout = (candidates ? "pfnano-" : "nanoaod-") + detail::nano_version(*found.table);
  rows_ = detail::make_nano_rows(std::move(found.table), path, candidates);
}

RootJetReader::~RootJetReader() {
  const detail::FileInWork in_work(source_.path);
  const detail::RootMessages silent;
  rows_.reset();
  file_.reset();
}

RootJetReader::RootJetReader(RootJetReader&&) noexcept = default;
RootJetReader& RootJetReader::operator=(RootJetReader&&) noexcept = default;

std::int64_t RootJetReader::read(std::int64_t max_entries, edm::JetColumns& jets,
                                 JetOrigins* origins) {
  const detail::FileInWork in_work(source_.path);
  const std::int64_t begin = next_entry_;
  const std::int64_t end = std::min(source_.num_entries, begin + max_entries);
  for (NumberColumn& branch : branches_) branch.clear();
  for (; next_entry_ < end; ++next_entry_) {
    const std::int64_t before = jets.num_jets();
    rows_->read(next_entry_, jets, origins);
    if (!branches_.empty())
      rows_->append_branches(next_entry_, jets.num_jets() - before, branches_);
  }
  return next_entry_ - begin;
}

bool RootJetReader::has_branch(const std::string& name) const { return rows_->has_branch(name); }

void RootJetReader::bind_branches(const std::vector<std::string>& names) {
  JETCAL_DCHECK(next_entry_ == 0);
  const detail::FileInWork in_work(source_.path);
  for (const std::string& name : names) branches_.push_back(rows_->bind_branch(name, source_));
}

std::int64_t RootJetReader::skipped_links() const noexcept { return rows_->skipped_links; }
std::int64_t RootJetReader::unstored_gen_jets() const noexcept { return rows_->unstored_gen_jets; }

}  // namespace jetcal::data
