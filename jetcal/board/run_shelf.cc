// SPDX-License-Identifier: Apache-2.0
#include "jetcal/board/run_shelf.h"

#include <algorithm>

#include "jetcal/base/files.h"
#include "jetcal/pipeline/journal.h"
#include "jetcal/pipeline/runner.h"

namespace jetcal::board {
namespace {

namespace fs = std::filesystem;

StepStory& step_of(RunStory& story, const Json& entry) {
  const std::string step = entry.value("step", "");
  const int item = entry.value("item", -1);
  const std::string name = pipeline::instance_name(step, item);
  const auto known = std::find_if(story.steps.begin(), story.steps.end(),
                                  [&name](const StepStory& one) { return one.name == name; });
  if (known != story.steps.end()) return *known;
  StepStory fresh;
  fresh.name = name;
  fresh.step = step;
  fresh.item = item;
  return story.steps.emplace_back(std::move(fresh));
}

void take_entry(RunStory& story, const Json& entry) {
  const std::string event = entry.value("event", "");
  const std::string time = entry.value("time", "");
  if (event == "started" || event == "resumed") {
    story.begun = time;
    story.ended.clear();
    story.process = entry.value("process", std::int64_t{0});
    story.steps.clear();
    ++story.goes;
  }
  if (event == "ended") story.ended = time;
  if (event != "step") return;
  StepStory& step = step_of(story, entry);
  step.state = entry.value("state", "");
  step.changed = time;
  if (step.state == "running") step.started = time;
  step.entry = entry;
}

RunStory read_story(const pipeline::Store& store, const std::string& id) {
  RunStory story;
  story.summary = pipeline::find_run(store, id);
  const fs::path folder = story.summary.folder;
  for (const Json& entry : pipeline::read_journal(folder / "journal.jsonl")) {
    try {
      take_entry(story, entry);
    } catch (const Json::exception&) {
      continue;  // a field of another type: a line that jetcal did not write
    }
  }
  if (story.summary.state == "cut") {
    for (StepStory& step : story.steps) {
      if (step.state == "running" || step.state == "retry") step.state = "cut";
    }
  }
  if (fs::exists(folder / "run.json"))
    story.document = Json::parse(read_file(folder / "run.json"), nullptr, false);
  if (!story.document.is_object()) story.document = Json::object();
  return story;
}

// Stands for a run whose files cannot be understood, so that the others are shown all the same.
RunShelf::Shared damaged_story(const fs::path& folder, const std::string& reason) {
  RunStory story;
  story.summary.run = folder.filename().string();
  story.summary.folder = folder.string();
  story.summary.state = "damaged";
  story.summary.message = reason;
  story.summary.parameters = story.summary.inputs = story.document = Json::object();
  return std::make_shared<const RunStory>(std::move(story));
}

}  // namespace

std::string file_stamp(const fs::path& path) {
  std::error_code error;
  const auto size = fs::file_size(path, error);
  if (error) return "";
  const auto time = fs::last_write_time(path, error);
  return std::to_string(size) + ":" + std::to_string(time.time_since_epoch().count());
}

const StepStory* RunStory::find(const std::string& name) const noexcept {
  const auto known = std::find_if(steps.begin(), steps.end(),
                                  [&name](const StepStory& one) { return one.name == name; });
  return known == steps.end() ? nullptr : &*known;
}

RunShelf::Shared RunShelf::run(const fs::path& root, const std::string& id) {
  const fs::path folder = root / "runs" / id;
  std::error_code error;
  const bool plain = !id.empty() && id.front() != '.' && id.find('/') == std::string::npos;
  if (!plain || !fs::is_directory(folder, error))
    fail(ErrorCode::NotFound, "there is no run '", id, "' in ", root.string());
  const std::string stamp = file_stamp(folder / "journal.jsonl");
  {
    const std::lock_guard lock(mutex_);
    const auto kept = kept_.find(folder.string());
    // A run that was killed leaves its journal as it was, so one that runs is always read again.
    if (kept != kept_.end() && kept->second.stamp == stamp &&
        kept->second.story->summary.state != "running")
      return kept->second.story;
  }
  auto story = std::make_shared<const RunStory>(read_story(pipeline::Store(root), id));
  const std::lock_guard lock(mutex_);
  kept_[folder.string()] = {stamp, story};
  return story;
}

std::vector<RunShelf::Shared> RunShelf::runs(const fs::path& root) {
  std::vector<Shared> list;
  std::error_code error;
  for (fs::directory_iterator entry(root / "runs", error), end; !error && entry != end;
       entry.increment(error)) {
    if (!entry->is_directory() || entry->path().filename().string().starts_with(".")) continue;
    const std::string id = entry->path().filename().string();
    try {
      list.push_back(run(root, id));
    } catch (const std::exception& damage) {
      list.push_back(damaged_story(entry->path(), damage.what()));
    }
  }
  std::sort(list.begin(), list.end(), [](const Shared& a, const Shared& b) {
    const pipeline::RunSummary &x = a->summary, &y = b->summary;
    return x.created != y.created ? x.created > y.created : x.run > y.run;
  });
  return list;
}

}  // namespace jetcal::board
