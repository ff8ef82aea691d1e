// SPDX-License-Identifier: Apache-2.0
// Finds what a board can show below folders: pipelines, studies, trainings, models, reports.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

namespace jetcal::board {

enum class Kind {
  Pipeline,    ///< Folder of runs and artefacts of `jetcal pipeline`.
  Study,       ///< study.db of `jetcal tune`.
  Training,    ///< Output folder of `jetcal train`.
  Model,       ///< A *.jetcal file.
  Repository,  ///< Folder of one served model, with config.pbtxt and versions.
  Report,      ///< report.json and index.html of `jetcal analyze` or `jetcal tune report`.
};

/// The word for a kind in addresses and messages, e.g. "study".
std::string_view kind_name(Kind kind) noexcept;

/// One thing to show.
struct Found {
  Kind kind = Kind::Pipeline;
  std::string id;              ///< 12 hex digits that follow from the path: what addresses hold.
  std::string name;            ///< The path from the folder in which it was looked for.
  std::filesystem::path path;  ///< Absolute.
  double changed = 0;          ///< Seconds since 1970.
};

/// How far a look goes. A folder with more is not looked through to its end, which is reported.
struct ScanLimits {
  int depth = 8;
  std::int64_t entries = 200'000;
};

struct Scan {
  std::vector<Found> found;          ///< Sorted by kind, then newest first.
  std::int64_t entries = 0;          ///< Files and folders seen.
  std::vector<std::string> remarks;  ///< What was left out, and why.

  /// nullptr where there is none of this kind and id.
  const Found* find(Kind kind, const std::string& id) const noexcept;
  std::vector<const Found*> all(Kind kind) const;
};

/// Where to look: everything below a folder, or one thing of a known kind.
struct Place {
  std::filesystem::path path;
  /// Everything, or only things of `kind`.
  bool everything = true;
  Kind kind = Kind::Pipeline;
};

/// Looks through all places. Symbolic links are not followed, hidden folders and the trials of a
/// study are left alone. Folders that cannot be read become remarks.
Scan look_through(const std::vector<Place>& places, const ScanLimits& limits = {});

/// Throws NotFound naming the place that does not exist, InvalidArgument for one that holds nothing
/// of its kind.
void check_places(const std::vector<Place>& places);

}  // namespace jetcal::board
