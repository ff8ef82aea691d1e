// SPDX-License-Identifier: Apache-2.0
#include "jetcal/data/calibration_reader.h"

#include <TFile.h>

#include <algorithm>
#include <cmath>

#include "jetcal/base/error.h"
#include "jetcal/base/stop.h"
#include "jetcal/data/detail/root_file.h"

namespace jetcal::data {
namespace {

template <typename T>
constexpr detail::Kind kind_of() {
  return std::is_floating_point_v<T> ? detail::Kind::Real : detail::Kind::Integer;
}

void append(const detail::Table& table, detail::Table::Handle handle, std::vector<float>& column) {
  column.push_back(table.real(handle));
}

void append(const detail::Table& table, detail::Table::Handle handle,
            std::vector<std::int32_t>& column) {
  column.push_back(static_cast<std::int32_t>(table.integer(handle)));
}

void check_finite(float value, const char* branch, const std::filesystem::path& path,
                  std::int64_t entry) {
  if (std::isfinite(value)) return;
  fail(ErrorCode::InvalidArgument, path.string(), ": the branch ", branch, " of ", kCalibrationTree,
       " is not finite at entry ", entry);
}

}  // namespace

void read_calibration_jets(const std::filesystem::path& path, edm::CalibrationJets& jets,
                           const std::function<void(std::int64_t, std::int64_t)>& on_progress) {
  constexpr std::int64_t kStep = 10000;
  const std::unique_ptr<TFile> file = detail::open_root_file(path);
  const std::vector<detail::TreeKey> trees = detail::list_trees(*file);
  const auto tree = std::find_if(trees.begin(), trees.end(), [](const detail::TreeKey& key) {
    return key.name == kCalibrationTree;
  });
  if (tree == trees.end()) {
    fail(ErrorCode::InvalidArgument, path.string(), " has no tree ", kCalibrationTree,
         "; jetcal simulate --calibration writes it");
  }
  const std::unique_ptr<detail::Table> table = detail::open_table(*file, *tree);
#define JETCAL_BIND(type, name, branch) \
  const detail::Table::Handle name = table->bind(branch, kind_of<type>(), detail::Shape::Scalar);
  JETCAL_CALIBRATION_COLUMNS(JETCAL_BIND)
#undef JETCAL_BIND
  const std::int64_t entries = table->num_entries();
  for (std::int64_t entry = 0; entry < entries; ++entry) {
    table->load(entry);
#define JETCAL_APPEND(type, name, branch) \
  append(*table, name, jets.name);        \
  check_finite(static_cast<float>(jets.name.back()), branch, path, entry);
    JETCAL_CALIBRATION_COLUMNS(JETCAL_APPEND)
#undef JETCAL_APPEND
    if ((entry + 1) % kStep != 0) continue;
    if (stop_requested()) fail(ErrorCode::Cancelled, "stopped while ", path.string(), " was read");
    if (on_progress) on_progress(entry + 1, entries);
  }
  if (on_progress) on_progress(entries, entries);
}

}  // namespace jetcal::data
