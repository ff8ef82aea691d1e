// SPDX-License-Identifier: Apache-2.0
#include "jetcal/board/discovery.h"

#include <algorithm>
#include <array>
#include <cstdio>
#include <set>

#include "jetcal/base/error.h"
#include "jetcal/base/files.h"
#include "jetcal/hpo/study_store.h"

namespace jetcal::board {
namespace {

namespace fs = std::filesystem;

std::string id_of(const fs::path& path) {
  constexpr std::uint64_t kTwelveDigits = 0xFFFFFFFFFFFFULL;
  std::array<char, 17> text{};
  std::snprintf(text.data(), text.size(), "%012llx",
                static_cast<unsigned long long>(hash_bytes(path.string()) & kTwelveDigits));
  return text.data();
}

double changed_at(const fs::path& path) {
  std::error_code error;
  const fs::file_time_type time = fs::last_write_time(path, error);
  if (error) return 0;
  const auto system = std::chrono::file_clock::to_sys(time);
  return std::chrono::duration<double>(system.time_since_epoch()).count();
}

bool is_file(const fs::path& path) {
  std::error_code error;
  return fs::is_regular_file(path, error);
}

bool is_folder(const fs::path& path) {
  std::error_code error;
  return fs::is_directory(path, error);
}

class Walk {
 public:
  Walk(Scan& scan, const ScanLimits& limits) : scan_(scan), limits_(limits) {}

  void look_at(const Place& place) {
    std::error_code error;
    root_ = fs::absolute(place.path, error).lexically_normal();
    if (!root_.has_filename()) root_ = root_.parent_path();
    everything_ = place.everything;
    kind_ = place.kind;
    if (is_file(root_)) {
      file(root_, true);
    } else if (is_folder(root_)) {
      folder(root_, 0);
    } else {
      scan_.remarks.push_back(root_.string() + " is not there");
    }
  }

 private:
  void add(Kind kind, const fs::path& path, const fs::path& dated) {
    if (!everything_ && kind != kind_) return;
    if (!seen_.insert({kind, path.string()}).second) return;
    fs::path name = path.lexically_relative(root_);
    if (name.empty() || name == ".") name = path.filename();
    scan_.found.push_back({kind, id_of(path), name.string(), path, changed_at(dated)});
  }

  // A file of any name counts as what it is when it was named by the user.
  void file(const fs::path& path, bool named) {
    const bool study = path.filename() == "study.db" || (named && !everything_);
    if (study && hpo::StudyStore::is_study(path)) add(Kind::Study, path, path);
    if (path.extension() == ".jetcal") add(Kind::Model, path, path);
  }

  bool enough() {
    if (scan_.entries < limits_.entries) return false;
    if (!said_) {
      scan_.remarks.push_back("after " + std::to_string(limits_.entries) + " files " +
                              root_.string() + " was not looked through further");
    }
    said_ = true;
    return true;
  }

  void folder(const fs::path& path, int depth) {
    const bool pipeline = is_folder(path / "runs") && is_folder(path / "steps");
    if (pipeline) add(Kind::Pipeline, path, path / "runs");
    if (is_file(path / "config.pbtxt")) {
      add(Kind::Repository, path, path / "config.pbtxt");
      return;
    }
    if (is_file(path / "history.json") ||
        (is_file(path / "metrics.txt") && is_folder(path / "checkpoint")))
      add(Kind::Training, path,
          is_file(path / "history.json") ? path / "history.json" : path / "metrics.txt");
    if (is_file(path / "report.json") && is_file(path / "index.html")) {
      add(Kind::Report, path, path / "report.json");
      return;
    }
    const bool study = is_file(path / "study.db");
    std::error_code error;
    std::vector<fs::path> below;
    for (fs::directory_iterator entry(path, error), end; !error && entry != end;
         entry.increment(error)) {
      ++scan_.entries;
      if (enough()) return;
      const std::string name = entry->path().filename().string();
      std::error_code kind_error;
      const fs::file_status status = entry->symlink_status(kind_error);
      if (kind_error || name.starts_with(".")) continue;
      if (fs::is_regular_file(status)) file(entry->path(), false);
      if (!fs::is_directory(status) || name == "tensorboard") continue;
      if ((pipeline && (name == "runs" || name == "steps")) || (study && name == "trials"))
        continue;
      below.push_back(entry->path());
    }
    if (error) scan_.remarks.push_back(path.string() + " cannot be read: " + error.message());
    if (depth >= limits_.depth && !below.empty()) {
      scan_.remarks.push_back("folders below " + path.string() + " lie too deep to be looked at");
      return;
    }
    for (const fs::path& one : below) folder(one, depth + 1);
  }

  Scan& scan_;
  const ScanLimits& limits_;
  fs::path root_;
  bool everything_ = true, said_ = false;
  Kind kind_ = Kind::Pipeline;
  std::set<std::pair<Kind, std::string>> seen_;
};

}  // namespace

std::string_view kind_name(Kind kind) noexcept {
  static constexpr std::array<std::string_view, 6> kNames{"pipeline", "study",      "training",
                                                          "model",    "repository", "report"};
  return kNames[static_cast<std::size_t>(kind)];
}

const Found* Scan::find(Kind kind, const std::string& id) const noexcept {
  const auto at = std::find_if(found.begin(), found.end(),
                               [&](const Found& one) { return one.kind == kind && one.id == id; });
  return at == found.end() ? nullptr : &*at;
}

std::vector<const Found*> Scan::all(Kind kind) const {
  std::vector<const Found*> list;
  for (const Found& one : found) {
    if (one.kind == kind) list.push_back(&one);
  }
  return list;
}

Scan look_through(const std::vector<Place>& places, const ScanLimits& limits) {
  Scan scan;
  Walk walk(scan, limits);
  for (const Place& place : places) walk.look_at(place);
  std::stable_sort(scan.found.begin(), scan.found.end(), [](const Found& a, const Found& b) {
    return a.kind != b.kind ? a.kind < b.kind : a.changed > b.changed;
  });
  return scan;
}

void check_places(const std::vector<Place>& places) {
  for (const Place& place : places) {
    if (!fs::exists(place.path))
      fail(ErrorCode::NotFound, "there is no file or folder ", place.path.string());
    if (place.everything) continue;
    if (look_through({place}).found.empty())
      fail(ErrorCode::InvalidArgument, place.path.string(), " holds no ", kind_name(place.kind));
  }
}

}  // namespace jetcal::board
