// SPDX-License-Identifier: Apache-2.0
#include "jetcal/sim/validation_files.h"

#include <TError.h>
#include <TFile.h>
#include <TLeaf.h>
#include <TTree.h>

#include <cmath>
#include <memory>

#include "jetcal/base/error.h"

namespace jetcal::sim {

namespace {

/// Reads numbers of any type from branches of a tree, entry by entry.
class LeafReader {
 public:
  LeafReader(const std::filesystem::path& path, const char* tree,
             std::initializer_list<const char*> branches)
      : path_(path) {
    if (!std::filesystem::exists(path)) fail(ErrorCode::NotFound, "no such file: ", path.string());
    gErrorIgnoreLevel = kFatal;  // what goes wrong is reported here
    file_.reset(TFile::Open(path.c_str(), "READ"));
    if (file_ == nullptr || file_->IsZombie() || file_->TestBit(TFile::kRecovered))
      fail(ErrorCode::DataLoss, "not a whole ROOT file: ", path.string());
    tree_ = file_->Get<TTree>(tree);
    if (tree_ == nullptr) fail(ErrorCode::InvalidArgument, path.string(), " has no tree ", tree);
    tree_->SetBranchStatus("*", false);
    for (const char* branch : branches) {
      if (tree_->GetBranch(branch) == nullptr)
        fail(ErrorCode::InvalidArgument, path.string(), ": the tree ", tree, " has no branch ",
             branch);
      tree_->SetBranchStatus(branch, true);
      TLeaf* leaf = tree_->GetBranch(branch)->GetLeaf(branch);
      if (TLeaf* count = leaf == nullptr ? nullptr : leaf->GetLeafCount())
        tree_->SetBranchStatus(count->GetName(), true);
      if (leaf == nullptr)
        fail(ErrorCode::InvalidArgument, path.string(), ": the branch ", branch,
             " holds no numbers");
      leaves_.push_back(leaf);
    }
  }
  bool next() {
    if (entry_ >= tree_->GetEntries()) return false;
    if (tree_->GetEntry(entry_) <= 0)
      fail(ErrorCode::DataLoss, "cannot read entry ", entry_, " of ", path_.string());
    ++entry_;
    return true;
  }
  int size(std::size_t branch) const { return leaves_[branch]->GetLen(); }
  double value(std::size_t branch, int i = 0) const { return leaves_[branch]->GetValue(i); }

 private:
  std::filesystem::path path_;
  std::unique_ptr<TFile> file_;
  TTree* tree_ = nullptr;  // owned by file_
  std::vector<TLeaf*> leaves_;
  std::int64_t entry_ = 0;
};

}  // namespace

void read_calibration_events(const std::filesystem::path& path, std::vector<EventCounts>& events) {
  LeafReader reader(path, "calibration/events",
                    {"Pileup_nPU", "rhoAll", "ch13", "ph13", "nh13", "ch25", "ph25", "nh25"});
  while (reader.next()) {
    EventCounts event;
    event.num_pileup = reader.value(0);
    event.rho = reader.value(1);
    for (std::size_t kind = 0; kind < kNumKinds; ++kind) {
      event.central[kind] = reader.value(2 + kind);
      event.forward[kind] = reader.value(2 + kNumKinds + kind);
    }
    events.push_back(event);
  }
}

void read_real_events(const std::filesystem::path& path, std::vector<EventCounts>& events) {
  LeafReader reader(path, "Events",
                    {"Pileup_nPU", "fixedGridRhoFastjetAll", "PFCands_eta", "PFCands_pdgId"});
  while (reader.next()) {
    EventCounts event;
    event.num_pileup = reader.value(0);
    event.rho = reader.value(1);
    for (int i = 0; i < reader.size(2); ++i) {
      const double abs_eta = std::abs(reader.value(2, i));
      const std::size_t kind = kind_of(static_cast<std::int32_t>(reader.value(3, i)));
      if (abs_eta < 1.3) event.central[kind] += 1;
      if (abs_eta > 1.5 && abs_eta < 2.5) event.forward[kind] += 1;
    }
    events.push_back(event);
  }
}

}  // namespace jetcal::sim
