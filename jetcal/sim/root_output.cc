// SPDX-License-Identifier: Apache-2.0
#include "jetcal/sim/root_output.h"

#include <TError.h>
#include <TTree.h>

#include "jetcal/base/error.h"

namespace jetcal::sim {

RootOutput::RootOutput(const std::filesystem::path& path, int compression) : part_(path) {
  gErrorIgnoreLevel = kFatal;  // a failed write is reported by check()
  // "reproducible" fixes the identifier and the times that ROOT would store.
  const std::string url = part_.path().string() + "?reproducible=jetcal";
  file_.reset(TFile::Open(url.c_str(), "RECREATE", "jetcal simulate", compression));
  if (file_ == nullptr || file_->IsZombie())
    fail(ErrorCode::ResourceExhausted, "cannot write ", path.string(),
         ": no space or no permission");
}

TTree* RootOutput::add_tree(const std::string& folder, const char* name,
                            std::int64_t rows_per_cluster) {
  TDirectory* directory = file_->GetDirectory(folder.c_str());
  if (directory == nullptr) directory = file_->mkdir(folder.c_str());
  directory->cd();
  auto* tree = new TTree(name, name);  // owned by the file
  tree->SetAutoSave(0);                // one key cycle
  tree->SetAutoFlush(rows_per_cluster);
  return tree;
}

void RootOutput::check(bool good) const {
  if (good && !file_->TestBit(TFile::kWriteError)) return;
  fail(ErrorCode::ResourceExhausted, "cannot write ", part_.path().string(), ": the disk is full");
}

void RootOutput::close() {
  check(file_->Write(nullptr, TObject::kOverwrite) > 0);
  file_->Close();
  check(true);
  part_.commit();
}

}  // namespace jetcal::sim
