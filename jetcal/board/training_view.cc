// SPDX-License-Identifier: Apache-2.0
#include "jetcal/board/training_view.h"

#include <sys/stat.h>

#include <fstream>
#include <sstream>

#include "jetcal/base/files.h"

namespace jetcal::board {
namespace {

namespace fs = std::filesystem;

Json history_of(const fs::path& folder) {
  std::error_code error;
  if (!fs::is_regular_file(folder / "history.json", error)) return Json::object();
  const Json history = Json::parse(read_file(folder / "history.json"), nullptr, false);
  return history.is_object() ? history : Json::object();
}

std::string state_of(const fs::path& folder, const Json& history) {
  if (is_held(folder / "checkpoint" / "lock")) return "running";
  const bool tested = history.contains("test") && history["test"].is_object();
  return tested ? "finished" : "paused";
}

Json best_of(const Json& epochs) {
  Json best;
  for (const Json& epoch : epochs) {
    const Json loss = epoch.value("validation_loss", Json());
    if (!loss.is_number()) continue;
    if (best.is_null() || loss < best["validation_loss"])
      best = {{"epoch", epoch.value("epoch", 0)}, {"validation_loss", loss}};
  }
  return best;
}

}  // namespace

// /proc/locks tells who holds what; trying the lock could make its owner's own try fail.
bool is_held(const fs::path& file) {
  struct stat status {};
  if (::stat(file.c_str(), &status) != 0) return false;
  const std::string inode = ":" + std::to_string(status.st_ino);
  std::ifstream locks("/proc/locks");
  for (std::string line; std::getline(locks, line);) {
    std::istringstream words(line);
    // "1: FLOCK ADVISORY WRITE 4711 00:2f:123456 0 EOF"; one that waits has "->" behind its number
    std::string number, kind, mode, access, process, place;
    words >> number >> kind >> mode >> access >> process >> place;
    if (kind != "->" && place.ends_with(inode)) return true;
  }
  return false;
}

Json training_line(const fs::path& folder) {
  const Json history = history_of(folder);
  const Json epochs = history.value("epochs", Json::array());
  const Json last = epochs.empty() ? Json::object() : epochs.back();
  return {{"state", state_of(folder, history)},
          {"epochs", epochs.size()},
          {"train_loss", last.value("train_loss", Json())},
          {"validation_loss", last.value("validation_loss", Json())},
          {"jets_per_second", last.value("jets_per_second", Json())},
          {"changed", last.value("wall_time", Json())},
          {"best", best_of(epochs)},
          {"test", history.value("test", Json())}};
}

Json training_document(const fs::path& folder) {
  const Json history = history_of(folder);
  Json document = training_line(folder);
  document["history"] = history.value("epochs", Json::array());
  std::error_code error;
  Json files = Json::array();
  for (fs::directory_iterator entry(folder, error), end; !error && entry != end;
       entry.increment(error)) {
    std::error_code size_error;
    const auto size = entry->is_regular_file(size_error) ? entry->file_size(size_error) : 0;
    files.push_back({{"name", entry->path().filename().string()},
                     {"folder", entry->is_directory(size_error)},
                     {"bytes", size}});
  }
  document["files"] = files;
  return document;
}

}  // namespace jetcal::board
