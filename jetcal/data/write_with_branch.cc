// SPDX-License-Identifier: Apache-2.0
#include "jetcal/data/write_with_branch.h"

#include <TBranch.h>
#include <TClass.h>
#include <TFile.h>
#include <TKey.h>
#include <TLeaf.h>
#include <TLeafI.h>
#include <TTree.h>

#include <algorithm>
#include <memory>
#include <numeric>
#include <string_view>
#include <utility>
#include <vector>

#include "jetcal/base/error.h"
#include "jetcal/base/files.h"
#include "jetcal/data/detail/file_in_work.h"
#include "jetcal/data/detail/parquet_file.h"
#include "jetcal/data/detail/root_errors.h"
#include "jetcal/data/detail/root_file.h"
#include "jetcal/data/root_jet_reader.h"

namespace jetcal::data {

namespace fs = std::filesystem;

namespace {

// Counts the jets of every event; a JetNTuple has one per entry and no counter.
std::vector<int> read_counts(TTree& tree, const fs::path& input) {
  const detail::RootMessages messages;
  TBranch* branch = tree.GetBranch("nJet");
  auto* leaf = branch != nullptr ? branch->GetLeaf("nJet") : nullptr;
  if (leaf == nullptr) fail(ErrorCode::InvalidArgument, "missing branch nJet in ", input.string());
  std::vector<int> counts(static_cast<std::size_t>(tree.GetEntries()));
  for (std::size_t i = 0; i < counts.size(); ++i) {
    if (branch->GetEntry(static_cast<std::int64_t>(i)) <= 0) {
      fail(ErrorCode::DataLoss, "cannot read entry ", i, " of branch nJet in ", input.string(),
           ": ", messages.error());
    }
    counts[i] = static_cast<int>(leaf->GetValue());
  }
  return counts;
}

void fill_scalar(TTree& tree, const std::string& name, std::span<const float> values) {
  float value = 0;
  TBranch* branch = tree.Branch(name.c_str(), &value, (name + "/F").c_str());
  for (const float next : values) {
    value = next;
    branch->Fill();
  }
  branch->ResetAddress();
}

void fill_lists(TTree& tree, const std::string& name, const std::vector<int>& counts,
                std::span<const float> values) {
  const int most = counts.empty() ? 0 : *std::max_element(counts.begin(), counts.end());
  std::vector<float> buffer(static_cast<std::size_t>(std::max(most, 1)));
  TBranch* branch = tree.Branch(name.c_str(), buffer.data(), (name + "[nJet]/F").c_str());
  TBranch* counter = tree.GetBranch("nJet");
  // Files that ROOT did not write itself may keep 0 as the largest count, and Fill would refuse.
  auto* length = dynamic_cast<TLeafI*>(counter->GetLeaf("nJet"));
  if (length != nullptr && length->GetMaximum() < most) length->SetMaximum(most);
  std::size_t next = 0;
  for (std::size_t i = 0; i < counts.size(); ++i) {
    counter->GetEntry(static_cast<std::int64_t>(i));  // Fill takes the length from this branch
    const auto count = static_cast<std::size_t>(counts[i]);
    std::copy_n(values.begin() + static_cast<std::ptrdiff_t>(next), count, buffer.begin());
    next += count;
    branch->Fill();
  }
  branch->ResetAddress();
}

void check_written(const detail::RootMessages& messages, const TFile& file,
                   const fs::path& output) {
  if (messages.error().empty() && !file.TestBit(TFile::kWriteError)) return;
  fail(messages.disk_full() ? ErrorCode::ResourceExhausted : ErrorCode::Internal, "cannot write ",
       output.string(), ": ",
       messages.disk_full() ? "no space left on the device" : messages.error());
}

TDirectory& make_folder(TFile& file, const std::string& tree) {
  const std::size_t slash = tree.rfind('/');
  if (slash == std::string::npos) return file;
  const std::string folder = tree.substr(0, slash);
  file.mkdir(folder.c_str());
  return *file.GetDirectory(folder.c_str());
}

// Finds the tree that the reader reads; it is owned by the file.
TTree& find_tree(TFile& file, const RootSource& source) {
  if (source.storage == Storage::RNTuple) {
    fail(ErrorCode::Unimplemented, "adding a branch to an RNTuple is not supported: ", source.tree,
         " in ", source.path.string());
  }
  const std::string keyed = source.tree + ";" + std::to_string(source.cycle);
  TTree* tree = nullptr;
  file.GetObject(keyed.c_str(), tree);
  if (tree == nullptr)
    fail(ErrorCode::DataLoss, "cannot read ", keyed, " in ", source.path.string());
  return *tree;
}

// Copies the baskets as they are, without unpacking them.
TTree& copy_tree(TTree& original, TFile& out, const RootSource& source, const fs::path& output,
                 const detail::RootMessages& messages) {
  make_folder(out, source.tree).cd();
  TTree* copy = original.CloneTree(-1, "fast");  // owned by `out`
  check_written(messages, out, output);
  if (copy == nullptr || copy->GetEntries() != source.num_entries) {
    fail(ErrorCode::DataLoss, "cannot copy the tree ", source.tree, " of ", source.path.string());
  }
  copy->ResetBranchAddresses();
  return *copy;
}

// Copies the objects of a folder and its folders, their highest cycles, but not the tree that
// `source` names. Names those that ROOT cannot copy.
class RestCopier {
 public:
  RestCopier(const RootSource& source, const fs::path& output) : source_(source), output_(output) {}

  void copy(TDirectory& from, TDirectory& to, const std::string& prefix) {
    for (TObject* object : *from.GetListOfKeys()) {
      auto* key = static_cast<TKey*>(object);
      const std::string name = prefix + key->GetName();
      if (name == source_.tree || from.GetKey(key->GetName())->GetCycle() != key->GetCycle())
        continue;
      if (std::string_view(key->GetClassName()).starts_with("TDirectory")) {
        TDirectory* inner = from.GetDirectory(key->GetName());
        TDirectory* made = to.GetDirectory(key->GetName());
        if (made == nullptr) made = to.mkdir(key->GetName(), key->GetTitle());
        if (inner != nullptr && made != nullptr) copy(*inner, *made, name + "/");
      } else if (!copy_object(*key, to)) {
        left_out_.push_back(name);
      }
    }
  }

  std::vector<std::string> left_out() && { return std::move(left_out_); }

 private:
  bool copy_object(TKey& key, TDirectory& to) const {
    const detail::RootMessages messages;
    const bool copied = copy_readable(key, to, messages);
    if (messages.disk_full()) {
      fail(ErrorCode::ResourceExhausted, "cannot write ", output_.string(),
           ": no space left on the device");
    }
    return copied;
  }

  static bool copy_readable(TKey& key, TDirectory& to, const detail::RootMessages& messages) {
    // ReadObj() would hand out any other class, such as an RNTuple, under a wrong type.
    const TClass* type = TClass::GetClass(key.GetClassName());
    if (type == nullptr || !type->IsTObject()) return false;
    const std::unique_ptr<TObject> object(key.ReadObj());
    if (!object) return false;
    to.cd();
    if (!object->InheritsFrom(TTree::Class()))
      return to.WriteTObject(object.get(), key.GetName()) > 0 && messages.error().empty();
    auto& tree = static_cast<TTree&>(*object);
    const std::unique_ptr<TTree> copy(tree.CloneTree(-1, "fast"));
    const bool whole = copy && copy->GetEntries() == tree.GetEntries() && messages.error().empty();
    return whole && copy->Write() > 0;
  }

  const RootSource& source_;
  const fs::path& output_;
  std::vector<std::string> left_out_;
};

}  // namespace

std::vector<std::string> write_with_branch(const fs::path& input, const std::string& tree,
                                           const fs::path& output, const std::string& name,
                                           std::span<const float> values) {
  const detail::FileInWork in_work(input);
  const RootSource source = RootJetReader(input, tree).source();
  if (source.storage == Storage::Parquet) {
    detail::write_parquet_with_column(input, output, name, values);
    return {};
  }
  const detail::RootMessages messages;
  const std::unique_ptr<TFile> in = detail::open_root_file(input);
  TTree& original = find_tree(*in, source);
  if (original.GetBranch(name.c_str()) != nullptr) {
    fail(ErrorCode::AlreadyExists, "the tree ", source.tree, " in ", input.string(),
         " has a branch ", name, " already");
  }
  const bool lists = source.rows_are_events();
  const std::vector<int> counts = lists ? read_counts(original, input) : std::vector<int>{};
  const std::int64_t num_jets =
      lists ? std::accumulate(counts.begin(), counts.end(), std::int64_t{0}) : source.num_entries;
  if (num_jets != static_cast<std::int64_t>(values.size())) {
    fail(ErrorCode::InvalidArgument, "the branch ", name, " has ", values.size(), " values for ",
         num_jets, " jets in ", input.string());
  }

  PartialFile part(output);
  const std::unique_ptr<TFile> out(
      TFile::Open(part.path().c_str(), "RECREATE", "", in->GetCompressionSettings()));
  if (!out || out->IsZombie()) {
    fail(messages.disk_full() ? ErrorCode::ResourceExhausted : ErrorCode::InvalidArgument,
         "cannot write ", output.string(), ": ", messages.error());
  }
  TTree& copy = copy_tree(original, *out, source, output, messages);
  if (lists) {
    fill_lists(copy, name, counts, values);
  } else {
    fill_scalar(copy, name, values);
  }
  copy.GetDirectory()->cd();
  copy.Write("", TObject::kOverwrite);
  RestCopier rest(source, output);
  rest.copy(*in, *out, "");
  check_written(messages, *out, output);
  out->Close();
  check_written(messages, *out, output);
  part.commit();
  return std::move(rest).left_out();
}

}  // namespace jetcal::data
