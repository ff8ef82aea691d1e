// SPDX-License-Identifier: Apache-2.0
// The first screen: what is wrong, then what runs and what ran.
#include <unistd.h>

#include <algorithm>
#include <array>
#include <set>

#include "jetcal/base/version.h"
#include "jetcal/board/board.h"
#include "jetcal/board/run_view.h"

namespace jetcal::board {
namespace {

constexpr std::size_t kMaxRuns = 50;

bool is_bad(const std::string& state) {
  return state == "failed" || state == "cut" || state == "damaged";
}

// Why a run did not end well, step by step.
void add_problems(const RunStory& story, const std::string& store, bool since_fixed,
                  Json& problems) {
  const pipeline::RunSummary& run = story.summary;
  const std::string time = story.ended.empty() ? story.begun : story.ended;
  const auto add = [&](const std::string& step, const std::string& reason) {
    problems.push_back({{"kind", "run"},
                        {"store", store},
                        {"run", run.run},
                        {"pipeline", run.pipeline},
                        {"step", step},
                        {"state", run.state},
                        {"reason", reason},
                        {"last_words", problems.size() < kMaxRuns ? last_words(story, step) : ""},
                        {"time", time.empty() ? run.created : time},
                        {"since_fixed", since_fixed}});
  };
  bool any = false;
  for (const StepStory& step : story.steps) {
    if (step.state != "failed" && step.state != "cut") continue;
    any = true;
    add(step.name, step.state == "cut" ? "the run was killed while this step ran"
                                       : step.entry.value("reason", "it failed"));
  }
  if (!any) add("", run.state == "cut" ? "the run was killed" : run.message);
}

std::string host_name() {
  std::array<char, 256> name{};
  return ::gethostname(name.data(), name.size() - 1) == 0 ? name.data() : "";
}

// Studies on the first screen, and what failed in them.
Json study_lines(Board& board, const Scan& scan, Json& problems) {
  constexpr std::size_t kMaxStudies = 30;
  Json lines = Json::array();
  for (const Found* study : scan.all(Kind::Study)) {
    if (lines.size() >= kMaxStudies) break;
    lines.push_back(study_line(board, *study));
    const Json& line = lines.back();
    if (line.contains("error")) {
      problems.push_back({{"kind", "study"},
                          {"study", study->id},
                          {"name", study->name},
                          {"reason", line["error"]},
                          {"time", study->changed}});
      continue;
    }
    for (const Json& error : line["errors"])
      problems.push_back({{"kind", "trial"},
                          {"study", study->id},
                          {"name", line["title"]},
                          {"trial", error["trial"]},
                          {"count", error["count"]},
                          {"reason", error["reason"]},
                          {"time", error["time"]}});
  }
  return lines;
}

}  // namespace

std::vector<std::pair<std::string, RunShelf::Shared>> newest_runs(Board& board, const Scan& scan) {
  std::vector<std::pair<std::string, RunShelf::Shared>> list;
  for (const Found* store : scan.all(Kind::Pipeline)) {
    for (RunShelf::Shared& story : board.runs().runs(store->path))
      list.emplace_back(store->id, std::move(story));
  }
  std::stable_sort(list.begin(), list.end(), [](const auto& a, const auto& b) {
    return a.second->summary.created > b.second->summary.created;
  });
  return list;
}

Json study_line(Board& board, const Found& study) {
  Json line = {{"id", study.id},
               {"name", study.name},
               {"path", study.path.string()},
               {"changed", study.changed}};
  try {
    const Json all = board.studies().summary(study);
    line["title"] = all.at("name");
    for (const char* field : {"algorithm", "objectives", "trials", "best", "errors", "created"})
      line[field] = all.at(field);
    line["tuners"] = all.at("tuners").size();
  } catch (const std::exception& error) {
    line["error"] = error.what();
  }
  return line;
}

Json overview(Board& board) {
  const auto scan = board.scan();
  Json problems = Json::array(), runs = Json::array(), counts = Json::object(),
       remarks = Json::array();
  std::size_t total = 0, running = 0;
  std::set<std::array<std::string, 3>> ended_well;  // since: store, pipeline, experiment
  for (const auto& [store, story] : newest_runs(board, *scan)) {
    const pipeline::RunSummary& run = story->summary;
    const std::array<std::string, 3> key{store, run.pipeline, run.experiment};
    if (run.state == "finished") ended_well.insert(key);
    if (is_bad(run.state)) add_problems(*story, store, ended_well.contains(key), problems);
    running += run.state == "running" ? 1 : 0;
    if (++total <= kMaxRuns) runs.push_back(run_line(*story, store));
  }
  for (Json& one : board.serving().problems()) problems.push_back(std::move(one));
  const Json studies = study_lines(board, *scan, problems);
  for (const std::string& remark : scan->remarks) remarks.push_back(remark);
  for (const Found& one : scan->found)
    counts[std::string(kind_name(one.kind))] =
        counts.value(std::string(kind_name(one.kind)), 0) + 1;
  return {{"host", host_name()},  {"version", version()},
          {"commit", commit()},   {"may_cancel", board.options().may_cancel},
          {"problems", problems}, {"runs", runs},
          {"num_runs", total},    {"num_running", running},
          {"studies", studies},   {"endpoints", board.serving().states()},
          {"counts", counts},     {"remarks", remarks}};
}

}  // namespace jetcal::board
