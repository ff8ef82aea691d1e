// SPDX-License-Identifier: Apache-2.0
#include "jetcal/board/study_shelf.h"

#include <sys/stat.h>

#include "jetcal/base/error.h"
#include "jetcal/board/study_view.h"
#include "jetcal/hpo/study_table.h"

namespace jetcal::board {
namespace {

namespace fs = std::filesystem;

std::string stamp_of(const fs::path& path) {
  struct stat status {};
  const std::string inode =
      ::stat(path.c_str(), &status) == 0 ? std::to_string(status.st_ino) : std::string("none");
  return inode + " " + file_stamp(path) + " " + file_stamp(path.string() + "-wal");
}

std::string inode_of(const std::string& stamp) { return stamp.substr(0, stamp.find(' ')); }

}  // namespace

std::shared_ptr<StudyShelf::Opened> StudyShelf::opened(const Found& study) {
  const std::lock_guard lock(mutex_);
  std::shared_ptr<Opened>& known = opened_[study.path.string()];
  if (!known) known = std::make_shared<Opened>();
  return known;
}

// A study that was made anew under the same name is another file.
void StudyShelf::refresh(Opened& opened, const Found& study) {
  const std::string stamp = stamp_of(study.path);
  if (opened.store && opened.stamp == stamp) return;
  if (!opened.store || inode_of(opened.stamp) != inode_of(stamp)) {
    opened.store.reset();
    opened.store.emplace(hpo::StudyStore::read(study.path));
  }
  opened.store->refresh();
  opened.stamp = stamp;
  opened.answers.clear();
}

Json StudyShelf::answer(const Found& study, const char* name, const Make& make) {
  const auto known = opened(study);
  const std::lock_guard lock(known->mutex);
  refresh(*known, study);
  const auto kept = known->answers.find(name);
  if (kept != known->answers.end()) return kept->second;
  return known->answers[name] = make(*known->store);
}

Json StudyShelf::summary(const Found& study) {
  Json document = answer(study, "summary", study_summary);
  const auto known = opened(study);
  const std::lock_guard lock(known->mutex);
  // Whether tuners live is not in the file.
  document["tuners"] = study_tuners(*known->store);
  document["id"] = study.id;
  document["file"] = study.name;
  document["path"] = study.path.string();
  return document;
}

Json StudyShelf::trials(const Found& study) { return answer(study, "trials", study_trials); }

Json StudyShelf::curves(const Found& study) { return answer(study, "curves", study_curves); }

Json StudyShelf::workers(const Found& study) { return answer(study, "workers", study_workers); }

Json StudyShelf::importance(const Found& study) {
  const auto known = opened(study);
  std::string stamp;
  std::optional<hpo::TrialTable> table;
  {
    const std::lock_guard lock(known->mutex);
    refresh(*known, study);
    stamp = known->stamp;
    table = hpo::study_table(*known->store);
  }
  const std::lock_guard lock(known->importance_mutex);
  if (known->importance_stamp != stamp) {
    known->importance = study_importance(*table);
    known->importance_stamp = stamp;
  }
  return known->importance;
}

Json StudyShelf::trial(const Found& study, std::int64_t number) {
  const auto known = opened(study);
  const std::lock_guard lock(known->mutex);
  refresh(*known, study);
  return study_trial(*known->store, number);
}

fs::path StudyShelf::log(const Found& study, std::int64_t number, const std::string& name) {
  const auto known = opened(study);
  const std::lock_guard lock(known->mutex);
  refresh(*known, study);
  const fs::path folder = trial_folder(*known->store, number);
  for (const std::string& one : trial_logs(folder)) {
    if (one == name) return folder / one;
  }
  fail(ErrorCode::NotFound, "the trial ", number, " has no log '", name, "'");
}

}  // namespace jetcal::board
