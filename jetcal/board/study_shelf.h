// SPDX-License-Identifier: Apache-2.0
// Studies that are open for looking at, and what the page shows of them.
#pragma once

#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>

#include "jetcal/board/discovery.h"
#include "jetcal/board/run_shelf.h"
#include "jetcal/hpo/study_store.h"

namespace jetcal::board {

/// Holds one open store a study, and answers as long as the study does not change. Thread-safe.
/// Every call throws what the study file gives reason for: NotFound, DataLoss.
class StudyShelf {
 public:
  /// Name, counts, best trials, failures with their reasons, tuners at work.
  Json summary(const Found& study);
  /// All trials as rows of a table, with the columns' names and kinds.
  Json trials(const Found& study);
  /// Courses of at most a few hundred trials: those at work, the best, and some of the others.
  Json curves(const Found& study);
  /// Who worked on which trial when.
  Json workers(const Found& study);
  /// Importance of the parameters, or under "reason" why there is none.
  Json importance(const Found& study);
  /// All of one trial. Throws NotFound for a number that no trial has.
  Json trial(const Found& study, std::int64_t number);
  /// A log of a trial by the name that trial() lists. Throws NotFound.
  std::filesystem::path log(const Found& study, std::int64_t number, const std::string& name);

 private:
  struct Opened {
    std::mutex mutex;
    std::optional<hpo::StudyStore> store;
    std::string stamp;
    std::map<std::string, Json> answers;  // by name, as of the stamp
    std::mutex importance_mutex;          // held for seconds, while the rest goes on
    std::string importance_stamp;
    Json importance;
  };
  using Make = std::function<Json(const hpo::StudyStore&)>;

  std::shared_ptr<Opened> opened(const Found& study);
  void refresh(Opened& opened, const Found& study);
  Json answer(const Found& study, const char* name, const Make& make);

  std::mutex mutex_;
  std::map<std::string, std::shared_ptr<Opened>> opened_;  // by path; shared with answers in work
};

}  // namespace jetcal::board
