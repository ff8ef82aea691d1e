// SPDX-License-Identifier: Apache-2.0
// One local web page about what runs and what ran: what it looks at, and what it answers.
#pragma once

#include <chrono>
#include <condition_variable>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "jetcal/board/discovery.h"
#include "jetcal/board/model_view.h"
#include "jetcal/board/run_shelf.h"
#include "jetcal/board/serving_monitor.h"
#include "jetcal/board/study_shelf.h"

namespace jetcal::board {

struct BoardOptions {
  std::vector<Place> places;
  std::vector<std::string> endpoints;  ///< Servers to ask, of parse_endpoint().
  std::vector<std::string> names;  ///< Further names of this machine that Host headers may hold.
  bool may_cancel = false;         ///< Lets pages cancel runs.
  std::chrono::milliseconds scan_interval{3000};
};

/// What the board knows. Looks through its places again and again on a thread of its own.
/// Thread-safe.
class Board {
 public:
  /// Throws as check_places().
  explicit Board(BoardOptions options);
  ~Board();
  Board(const Board&) = delete;
  Board& operator=(const Board&) = delete;

  const BoardOptions& options() const noexcept { return options_; }
  std::shared_ptr<const Scan> scan() const;
  RunShelf& runs() noexcept { return runs_; }
  StudyShelf& studies() noexcept { return studies_; }
  ModelShelf& models() noexcept { return models_; }
  const ServingMonitor& serving() const noexcept { return serving_; }

  /// The thing of this kind and id. Throws NotFound.
  Found find(Kind kind, const std::string& id) const;
  /// What the board shows of an artefact of a pipeline folder: {"kind", "id"}, or null.
  Json shown_artifact(const std::filesystem::path& root, const std::string& sha256) const;

 private:
  void keep_scanning();

  BoardOptions options_;
  mutable std::mutex mutex_;
  std::condition_variable stopped_;
  bool stopping_ = false;
  std::shared_ptr<const Scan> scan_;  // shared with answers in work
  RunShelf runs_;
  StudyShelf studies_;
  ModelShelf models_;
  ServingMonitor serving_;
  std::thread scanner_;
};

/// Everything of the first screen: what is wrong, then what runs and ran.
Json overview(Board& board);

/// The runs of all pipeline folders, newest first, each with the id of its folder.
std::vector<std::pair<std::string, RunShelf::Shared>> newest_runs(Board& board, const Scan& scan);

/// One line about a study; a file that cannot be read gives a line with "error".
Json study_line(Board& board, const Found& study);

/// Answers a request below /api. Throws NotFound and what the parts throw.
struct Target;
Json answer_api(Board& board, const Target& target);

}  // namespace jetcal::board
