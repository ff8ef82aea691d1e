// SPDX-License-Identifier: Apache-2.0
// Opens ROOT files strictly and lists the trees in them.
#pragma once

#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "jetcal/data/detail/table.h"

namespace jetcal::data::detail {

/// Opens a file for reading. Throws NotFound, InvalidArgument when it is no ROOT file, and DataLoss
/// when it is truncated or was not closed: ROOT would "recover" such a file and lose rows.
std::unique_ptr<TFile> open_root_file(const std::filesystem::path& path);

/// A TTree or RNTuple of a file: the highest cycle of its key.
struct TreeKey {
  std::string name;  ///< With its folders, e.g. "AK4jets/jetTree".
  bool is_ntuple = false;
  int cycle = 0, num_cycles = 0;
  TKey* key = nullptr;  ///< Owned by the file.
};

/// Lists the trees of a file and its folders, in the order of the keys.
std::vector<TreeKey> list_trees(TFile& file);

/// Opens the tree of a key; the file must outlive the table.
std::unique_ptr<Table> open_table(TFile& file, const TreeKey& tree);

}  // namespace jetcal::data::detail
