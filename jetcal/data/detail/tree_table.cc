// SPDX-License-Identifier: Apache-2.0
#include <TBranch.h>
#include <TFile.h>
#include <TKey.h>
#include <TLeaf.h>
#include <TTree.h>

#include <algorithm>
#include <cstring>
#include <map>
#include <utility>

#include "jetcal/base/error.h"
#include "jetcal/data/detail/root_errors.h"
#include "jetcal/data/detail/table.h"

namespace jetcal::data::detail {
namespace {

enum class LeafType { F32, F64, I8, U8, I16, U16, I32, U32, I64, U64, Bool, Other };

LeafType leaf_type(const TLeaf& leaf) {
  static const std::map<std::string_view, LeafType> kTypes{
      {"Float_t", LeafType::F32}, {"Double_t", LeafType::F64},  {"Char_t", LeafType::I8},
      {"UChar_t", LeafType::U8},  {"Short_t", LeafType::I16},   {"UShort_t", LeafType::U16},
      {"Int_t", LeafType::I32},   {"UInt_t", LeafType::U32},    {"Long64_t", LeafType::I64},
      {"Long_t", LeafType::I64},  {"ULong64_t", LeafType::U64}, {"ULong_t", LeafType::U64},
      {"Bool_t", LeafType::Bool}};
  // Float16_t and TLeafC (a text) have type names of their own or none of these classes.
  if (std::string_view(leaf.ClassName()) == "TLeafC") return LeafType::Other;
  const auto found = kTypes.find(leaf.GetTypeName());
  return found == kTypes.end() ? LeafType::Other : found->second;
}

bool is_real(LeafType type) { return type == LeafType::F32 || type == LeafType::F64; }

template <typename From, typename To>
void convert(const void* from, std::size_t count, std::vector<To>& to) {
  const auto* begin = static_cast<const From*>(from);
  to.assign(begin, begin + count);
}

void convert_reals(LeafType type, const void* from, std::size_t count, std::vector<float>& to) {
  if (type == LeafType::F32) return convert<float>(from, count, to);
  to.resize(count);
  const auto* doubles = static_cast<const double*>(from);
  std::transform(doubles, doubles + count, to.begin(),
                 [](double value) { return static_cast<float>(value); });
}

void convert_wide(LeafType type, const void* from, std::size_t count, std::vector<double>& to) {
  if (type == LeafType::F32) return convert<float>(from, count, to);
  convert<double>(from, count, to);
}

void convert_integers(LeafType type, const void* from, std::size_t count,
                      std::vector<std::int64_t>& to) {
  switch (type) {
    case LeafType::I8:
      return convert<std::int8_t>(from, count, to);
    case LeafType::U8:
      return convert<std::uint8_t>(from, count, to);
    case LeafType::I16:
      return convert<std::int16_t>(from, count, to);
    case LeafType::U16:
      return convert<std::uint16_t>(from, count, to);
    case LeafType::I32:
      return convert<std::int32_t>(from, count, to);
    case LeafType::U32:
      return convert<std::uint32_t>(from, count, to);
    case LeafType::I64:
      return convert<std::int64_t>(from, count, to);
    case LeafType::U64:
      return convert<std::uint64_t>(from, count, to);
    case LeafType::Bool:
      return convert<bool>(from, count, to);
    case LeafType::F32:
    case LeafType::F64:
    case LeafType::Other:
      break;
  }
  fail(ErrorCode::Internal, "a leaf type without conversion");
}

class TreeTable final : public Table {
 public:
  TreeTable(std::unique_ptr<TTree> tree, std::string path)
      : tree_(std::move(tree)), path_(std::move(path)) {
    tree_->SetCacheSize(0);  // local files: the page cache serves as well, and errors stay simple
  }

  std::int64_t num_entries() const override { return tree_->GetEntries(); }

  bool has(const std::string& name) const override { return find_branch(name) != nullptr; }

  std::optional<ColumnType> type(const std::string& name) const override {
    TBranch* branch = find_branch(name);
    if (branch == nullptr) return std::nullopt;
    const TObjArray* leaves = branch->GetListOfLeaves();
    if (leaves->GetEntries() != 1 || std::string_view(branch->ClassName()) != "TBranch")
      return ColumnType{std::nullopt, Shape::Scalar, false, branch->ClassName()};
    const auto* leaf = static_cast<const TLeaf*>(leaves->First());
    const LeafType number = leaf_type(*leaf);
    ColumnType type;
    type.shape =
        leaf->GetLeafCount() == nullptr && leaf->GetLenStatic() == 1 ? Shape::Scalar : Shape::List;
    if (number != LeafType::Other) type.kind = is_real(number) ? Kind::Real : Kind::Integer;
    type.is_unsigned = number == LeafType::U64;
    type.name =
        std::string(type.shape == Shape::List ? "a list of " : "one ") + leaf->GetTypeName();
    return type;
  }

  Handle bind(const std::string& name, Kind kind, Shape shape) override {
    const std::optional<ColumnType> found = type(name);
    if (!found) fail_missing(path_, name);
    const Kind needed = kind == Kind::Wide ? Kind::Real : kind;
    if (found->kind != needed || found->shape != shape)
      fail_type(path_, name, kind, shape, found->name);
    TBranch* branch = find_branch(name);
    auto* leaf = static_cast<TLeaf*>(branch->GetListOfLeaves()->First());
    if (branch->GetEntries() != tree_->GetEntries()) {
      fail(ErrorCode::DataLoss, "the branch ", name, " in ", path_, " has ", branch->GetEntries(),
           " of ", tree_->GetEntries(), " entries");
    }
    columns_.push_back({name, kind, shape, {}, {}, {}});
    leaves_.push_back({branch, leaf, leaf->GetLeafCount(), leaf_type(*leaf)});
    return columns_.size() - 1;
  }

  void load(std::int64_t entry) override {
    const RootMessages messages;
    if (tree_->LoadTree(entry) < 0) fail_read("", entry, messages);
    for (std::size_t i = 0; i < columns_.size(); ++i) load_column(i, entry, messages);
  }

 private:
  struct Leaf {
    TBranch* branch;
    TLeaf* leaf;
    TLeaf* count;
    LeafType type;
  };

  // Not TTree::GetBranch, which also looks through friends and leaf names.
  TBranch* find_branch(const std::string& name) const {
    return static_cast<TBranch*>(tree_->GetListOfBranches()->FindObject(name.c_str()));
  }

  void load_column(std::size_t i, std::int64_t entry, const RootMessages& messages) {
    Column& column = columns_[i];
    const Leaf& from = leaves_[i];
    if (from.count != nullptr) check_count(column, from, entry, messages);
    const int bytes = from.branch->GetEntry(entry);
    if (bytes < 0 || !messages.error().empty()) fail_read(column.name, entry, messages);
    const int length = from.leaf->GetLen();
    const int want = length * from.leaf->GetLenType();
    if (bytes != want) {
      fail(ErrorCode::DataLoss, "entry ", entry, " of branch ", column.name, " in ", path_, " has ",
           bytes, " of ", want, " bytes");
    }
    const auto count = static_cast<std::size_t>(length);
    const void* values = from.leaf->GetValuePointer();
    if (column.kind == Kind::Wide) {
      convert_wide(from.type, values, count, column.wide);
    } else if (column.kind == Kind::Real) {
      convert_reals(from.type, values, count, column.real);
    } else {
      convert_integers(from.type, values, count, column.integer);
    }
  }

  // ROOT cuts a count that its buffer cannot hold and tells so on standard output only.
  void check_count(const Column& column, const Leaf& from, std::int64_t entry,
                   const RootMessages& messages) {
    if (from.count->GetBranch()->GetEntry(entry) < 0 || !messages.error().empty())
      fail_read(from.count->GetName(), entry, messages);
    const double count = from.count->GetValue();
    if (count < 0 || count > from.count->GetMaximum()) {
      fail(ErrorCode::DataLoss, "entry ", entry, " of branch ", column.name, " in ", path_,
           " has an impossible length: ", count, ", the most is ", from.count->GetMaximum());
    }
  }

  [[noreturn]] void fail_read(const std::string& branch, std::int64_t entry,
                              const RootMessages& messages) const {
    fail(ErrorCode::DataLoss, "cannot read entry ", entry, " of ",
         branch.empty() ? "the tree" : "branch " + branch, " in ", path_,
         messages.error().empty() ? "" : ": ", messages.error());
  }

  std::unique_ptr<TTree> tree_;
  std::string path_;
  std::vector<Leaf> leaves_;  // beside columns_
};

}  // namespace

std::unique_ptr<Table> open_tree_table(TFile& file, TKey& key, std::string path) {
  const RootMessages messages;
  std::unique_ptr<TTree> tree(key.ReadObject<TTree>());
  if (!tree || !messages.error().empty()) {
    fail(ErrorCode::DataLoss, "cannot read the tree ", key.GetName(), ";", key.GetCycle(), " in ",
         path, messages.error().empty() ? "" : ": ", messages.error());
  }
  static_cast<void>(file);
  return std::make_unique<TreeTable>(std::move(tree), std::move(path));
}

}  // namespace jetcal::data::detail
