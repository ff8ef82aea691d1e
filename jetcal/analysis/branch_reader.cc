// SPDX-License-Identifier: Apache-2.0
#include "jetcal/analysis/branch_reader.h"

#include <TBranch.h>
#include <TError.h>
#include <TFile.h>
#include <TLeaf.h>
#include <TTree.h>

#include <memory>

#include "jetcal/base/error.h"

namespace jetcal::analysis {

std::vector<float> read_branch(const std::filesystem::path& path, const std::string& tree,
                               const std::string& branch) {
  if (!std::filesystem::exists(path)) fail(ErrorCode::NotFound, "no such file: ", path.string());
  gErrorIgnoreLevel = kFatal;  // libraries do not print; what goes wrong is told below
  const std::unique_ptr<TFile> file(TFile::Open(path.c_str(), "READ"));
  if (!file || file->IsZombie())
    fail(ErrorCode::DataLoss, "not a ROOT file, or it is truncated: ", path.string());
  auto* const found = file->Get<TTree>(tree.c_str());
  if (found == nullptr)
    fail(ErrorCode::InvalidArgument, path.string(), " has no TTree '", tree, "'");
  TBranch* const column = found->GetBranch(branch.c_str());
  if (column == nullptr || column->GetNleaves() != 1)
    fail(ErrorCode::InvalidArgument, path.string(), ": the tree ", tree,
         " has no branch of numbers '", branch, "'");
  auto* const leaf = static_cast<TLeaf*>(column->GetListOfLeaves()->At(0));
  TLeaf* const length = leaf->GetLeafCount();
  std::vector<float> values;
  for (Long64_t entry = 0; entry < found->GetEntries(); ++entry) {
    const bool counted = length == nullptr || length->GetBranch()->GetEntry(entry) > 0;
    if (!counted || column->GetEntry(entry) < 0)
      fail(ErrorCode::DataLoss, path.string(), ": the branch ", branch, " cannot be read at entry ",
           entry);
    for (int i = 0; i < leaf->GetLen(); ++i)
      values.push_back(static_cast<float>(leaf->GetValue(i)));
  }
  return values;
}

}  // namespace jetcal::analysis
