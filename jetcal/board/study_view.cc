// SPDX-License-Identifier: Apache-2.0
#include "jetcal/board/study_view.h"

#include <algorithm>
#include <cmath>

#include "jetcal/base/error.h"
#include "jetcal/hpo/importance.h"
#include "jetcal/hpo/pareto.h"
#include "jetcal/hpo/study_numbers.h"
#include "jetcal/hpo/study_table.h"

namespace jetcal::board {
namespace {

using hpo::Trial;
using hpo::TrialRecord;
using hpo::TrialState;

Json number_json(double value) { return std::isfinite(value) ? Json(value) : Json(); }

const TrialRecord& record_of(const hpo::StudyStore& store, const Trial& trial) {
  return store.records()[static_cast<std::size_t>(trial.number)];
}

bool feasible(const Trial& trial) {
  return std::all_of(trial.constraints.begin(), trial.constraints.end(),
                     [](double excess) { return excess <= 0; });
}

// Complete trials, those within the constraints first, then by the first objective.
std::vector<const Trial*> best_first(const hpo::History& history) {
  std::vector<const Trial*> list;
  for (const Trial& trial : history.trials) {
    if (trial.state == TrialState::Complete && !trial.objectives.empty() &&
        std::isfinite(trial.objectives.front()))
      list.push_back(&trial);
  }
  const double sign = history.objectives.front().maximise ? -1 : 1;
  std::stable_sort(list.begin(), list.end(), [sign](const Trial* a, const Trial* b) {
    const bool x = feasible(*a), y = feasible(*b);
    return x != y ? x : sign * a->objectives.front() < sign * b->objectives.front();
  });
  return list;
}

Json counts_json(const hpo::History& history) {
  Json counts = {{"total", history.trials.size()}};
  for (const TrialState state : {TrialState::Waiting, TrialState::Running, TrialState::Paused,
                                 TrialState::Complete, TrialState::Stopped, TrialState::Failed})
    counts[std::string(to_string(state))] =
        std::count_if(history.trials.begin(), history.trials.end(),
                      [state](const Trial& trial) { return trial.state == state; });
  return counts;
}

// Reasons of failures with how often and where first; the most frequent first.
Json errors_json(const hpo::StudyStore& store) {
  struct Reason {
    std::int64_t count = 0, trial = 0;
    double time = 0;
  };
  std::map<std::string, Reason> reasons;
  for (const Trial& trial : store.history().trials) {
    if (trial.state != TrialState::Failed) continue;
    const TrialRecord& record = record_of(store, trial);
    Reason& reason = reasons[record.error];
    ++reason.count;
    reason.trial = trial.number;  // the newest
    reason.time = std::max(reason.time, record.ended);
  }
  Json list = Json::array();
  for (const auto& [text, reason] : reasons)
    list.push_back({{"reason", text},
                    {"count", reason.count},
                    {"trial", reason.trial},
                    {"time", reason.time}});
  std::stable_sort(list.begin(), list.end(), [](const Json& a, const Json& b) {
    return a["count"].get<std::int64_t>() > b["count"].get<std::int64_t>();
  });
  return list;
}

}  // namespace

Json study_summary(const hpo::StudyStore& store) {
  const hpo::History& history = store.history();
  Json document = to_json(store.definition());
  document["created"] = store.created();
  document["trials"] = counts_json(history);
  std::int64_t resource = 0;
  for (const Trial& trial : history.trials)
    resource += trial.course.empty() ? 0 : trial.course.back().resource;
  document["resource"] = resource;
  const auto best = best_first(history);
  document["best"] = best.empty() ? Json()
                                  : Json{{"trial", best.front()->number},
                                         {"value", number_json(best.front()->objectives.front())},
                                         {"values", hpo::to_json(best.front()->values)},
                                         {"feasible", feasible(*best.front())}};
  document["errors"] = errors_json(store);
  document["front"] = history.objectives.size() > 1 ? Json(hpo::pareto_front(history)) : Json();
  return document;
}

Json study_tuners(const hpo::StudyStore& store) {
  Json list = Json::array();
  for (const hpo::TunerRecord& tuner : store.tuners()) {
    if (!tuner.alive) continue;
    list.push_back({{"id", tuner.id},
                    {"host", tuner.host},
                    {"pid", tuner.pid},
                    {"started", tuner.started},
                    {"heartbeat", tuner.heartbeat}});
  }
  return list;
}

Json study_curves(const hpo::StudyStore& store) {
  constexpr std::size_t kMaxTrials = 300, kBest = 60, kMaxPoints = 200;
  const hpo::History& history = store.history();
  std::vector<bool> wanted(history.trials.size(), false);
  std::size_t total = 0, chosen = 0;
  const auto want = [&](const Trial& trial) {
    const auto at = static_cast<std::size_t>(trial.number);
    if (wanted[at] || trial.course.empty() || chosen >= kMaxTrials) return;
    wanted[at] = true;
    ++chosen;
  };
  for (const Trial& trial : history.trials) {
    total += trial.course.empty() ? 0 : 1;
    if (trial.state == TrialState::Running) want(trial);
  }
  const auto best = best_first(history);
  for (std::size_t i = 0; i < std::min(kBest, best.size()); ++i) want(*best[i]);
  const std::size_t step = std::max<std::size_t>(1, history.trials.size() / kMaxTrials);
  for (std::size_t i = 0; i < history.trials.size(); i += step) want(history.trials[i]);
  Json list = Json::array();
  for (const Trial& trial : history.trials) {
    if (!wanted[static_cast<std::size_t>(trial.number)]) continue;
    Json points = Json::array();
    const std::size_t every = std::max<std::size_t>(1, trial.course.size() / kMaxPoints);
    for (std::size_t i = 0; i < trial.course.size(); ++i) {
      const hpo::Report& report = trial.course[i];
      if ((i % every == 0 || i + 1 == trial.course.size()) && !report.objectives.empty())
        points.push_back({report.resource, number_json(report.objectives.front())});
    }
    list.push_back(
        {{"trial", trial.number}, {"state", to_string(trial.state)}, {"points", points}});
  }
  return {{"shown", chosen}, {"total", total}, {"trials", list}};
}

Json study_workers(const hpo::StudyStore& store) {
  constexpr std::size_t kMaxSpans = 4000;
  const std::vector<hpo::WorkSpan> spans = hpo::study_table(store).spans;
  Json list = Json::array();
  const std::size_t first = spans.size() > kMaxSpans ? spans.size() - kMaxSpans : 0;
  for (std::size_t i = first; i < spans.size(); ++i)
    list.push_back({{"trial", spans[i].trial},
                    {"worker", spans[i].worker},
                    {"begin", spans[i].begin},
                    {"end", spans[i].end},
                    {"outcome", spans[i].outcome}});
  return {{"spans", list}, {"total", spans.size()}};
}

Json study_importance(const hpo::TrialTable& table) {
  constexpr std::size_t kMaxTrials = 1000;
  hpo::TrialTable part = table;
  const std::string metric = table.objectives.front().metric;
  std::erase_if(part.trials, [&metric](const hpo::TableTrial& trial) {
    return !hpo::result_of(trial, metric).has_value();
  });
  const std::size_t counted = part.trials.size();
  if (counted > kMaxTrials) {
    std::vector<hpo::TableTrial> some;
    for (std::size_t i = 0; i < kMaxTrials; ++i)
      some.push_back(part.trials[i * counted / kMaxTrials]);
    part.trials = std::move(some);
  }
  try {
    const hpo::Importance importance = hpo::fanova(part, metric);
    Json pairs = Json::array();
    for (const auto& [name, value] : importance.pairs)
      pairs.push_back({{"name", name}, {"value", value}});
    std::stable_sort(pairs.begin(), pairs.end(), [](const Json& a, const Json& b) {
      return a["value"].get<double>() > b["value"].get<double>();
    });
    return {{"metric", metric},
            {"counted", part.trials.size()},
            {"with_result", counted},
            {"fanova", importance.single},
            {"pairs", pairs},
            {"rest", importance.rest},
            {"out_of_bag", number_json(importance.out_of_bag)},
            {"ped_anova", hpo::ped_anova(part, metric, table.objectives.front().maximise)}};
  } catch (const Error& error) {
    return {{"metric", metric}, {"reason", error.what()}};
  }
}

}  // namespace jetcal::board
