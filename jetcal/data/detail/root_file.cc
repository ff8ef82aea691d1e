// SPDX-License-Identifier: Apache-2.0
#include "jetcal/data/detail/root_file.h"

#include <TClass.h>
#include <TFile.h>
#include <TKey.h>

#include <algorithm>
#include <array>
#include <fstream>
#include <string_view>

#include "jetcal/base/error.h"
#include "jetcal/data/detail/root_errors.h"

namespace jetcal::data::detail {
namespace {

std::uint64_t big_endian(const unsigned char* bytes, int count) {
  std::uint64_t value = 0;
  for (int i = 0; i < count; ++i) value = value << 8 | bytes[i];
  return value;
}

// Compares the length in the file's header with the file: a cheap test that needs no ROOT.
void check_header(const std::filesystem::path& path) {
  std::error_code error;
  if (!std::filesystem::exists(path, error))
    fail(ErrorCode::NotFound, "no such file: ", path.string());
  if (!std::filesystem::is_regular_file(path, error))
    fail(ErrorCode::InvalidArgument, "not a ROOT file: ", path.string());
  const std::uintmax_t size = std::filesystem::file_size(path, error);
  std::array<unsigned char, 20> head{};
  std::ifstream in(path, std::ios::binary);
  if (!in) fail(ErrorCode::DataLoss, "cannot read ", path.string());
  in.read(reinterpret_cast<char*>(head.data()), head.size());
  const auto got = static_cast<std::size_t>(in.gcount());
  if (got >= 4 && std::string_view(reinterpret_cast<const char*>(head.data()), 4) != "root")
    fail(ErrorCode::InvalidArgument, "not a ROOT file: ", path.string());
  if (got < head.size()) {
    fail(ErrorCode::DataLoss, "truncated file: ", path.string(), " has only ", size, " bytes");
  }
  // Version, then the first byte of data, then the end: 4 bytes, or 8 in files over 2 GB.
  const bool large = big_endian(head.data() + 4, 4) >= 1000000;
  const std::uint64_t end = big_endian(head.data() + 12, large ? 8 : 4);
  if (size < end) {
    fail(ErrorCode::DataLoss, "truncated file: ", path.string(), " has ", size, " of ", end,
         " bytes");
  }
}

void list_folder(TDirectory& folder, const std::string& prefix, int depth,
                 std::vector<TreeKey>& trees) {
  constexpr int kMaxDepth = 8;
  for (TObject* object : *folder.GetListOfKeys()) {
    auto* key = static_cast<TKey*>(object);
    const std::string name = prefix + key->GetName();
    const std::string_view type = key->GetClassName();
    if (type == "TDirectoryFile" || type == "TDirectory") {
      if (depth < kMaxDepth) {
        if (TDirectory* inner = folder.GetDirectory(key->GetName()))
          list_folder(*inner, name + "/", depth + 1, trees);
      }
      continue;
    }
    const bool is_ntuple = type == "ROOT::RNTuple";
    if (!is_ntuple && type != "TTree" && type != "TNtuple" && type != "TNtupleD") continue;
    const auto same = std::find_if(trees.begin(), trees.end(), [&](const TreeKey& tree) {
      return tree.name == name && tree.is_ntuple == is_ntuple;
    });
    if (same == trees.end()) {
      trees.push_back({name, is_ntuple, key->GetCycle(), 1, key});
      continue;
    }
    ++same->num_cycles;
    if (key->GetCycle() > same->cycle) {
      same->cycle = key->GetCycle();
      same->key = key;
    }
  }
}

}  // namespace

std::unique_ptr<TFile> open_root_file(const std::filesystem::path& path) {
  start_root();
  check_header(path);
  const RootMessages messages;
  std::unique_ptr<TFile> file(TFile::Open(path.c_str(), "READ"));
  if (!file || file->IsZombie()) {
    fail(ErrorCode::DataLoss, "cannot read ", path.string(), messages.error().empty() ? "" : ": ",
         messages.error());
  }
  if (file->TestBit(TFile::kRecovered) || !messages.error().empty()) {
    fail(ErrorCode::DataLoss, "the file was not closed or is corrupt: ", path.string(),
         messages.error().empty() ? "" : ": ", messages.error());
  }
  return file;
}

std::vector<TreeKey> list_trees(TFile& file) {
  const RootMessages messages;
  std::vector<TreeKey> trees;
  list_folder(file, "", 0, trees);
  if (!messages.error().empty())
    fail(ErrorCode::DataLoss, "cannot list ", file.GetName(), ": ", messages.error());
  return trees;
}

std::unique_ptr<Table> open_table(TFile& file, const TreeKey& tree) {
  return tree.is_ntuple ? open_ntuple_table(file, *tree.key, file.GetName())
                        : open_tree_table(file, *tree.key, file.GetName());
}

}  // namespace jetcal::data::detail
