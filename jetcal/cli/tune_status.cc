// SPDX-License-Identifier: Apache-2.0
#include "jetcal/cli/tune_status.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <memory>
#include <string>

#include "jetcal/cli/tune_parts.h"
#include "jetcal/hpo/exchange.h"
#include "jetcal/hpo/pareto.h"

namespace jetcal::cli {

using Json = nlohmann::ordered_json;

namespace {

constexpr std::size_t kBest = 5;
constexpr std::array kStates{hpo::TrialState::Waiting, hpo::TrialState::Running,
                             hpo::TrialState::Paused,  hpo::TrialState::Complete,
                             hpo::TrialState::Stopped, hpo::TrialState::Failed};

std::int64_t total_resource(const hpo::History& history) {
  std::int64_t sum = 0;
  for (const hpo::Trial& trial : history.trials)
    sum += trial.course.empty() ? 0 : trial.course.back().resource;
  return sum;
}

Json counts(const hpo::History& history) {
  Json json{{"total", history.trials.size()}};
  for (const hpo::TrialState state : kStates) {
    json[std::string(hpo::to_string(state))] =
        std::count_if(history.trials.begin(), history.trials.end(),
                      [state](const hpo::Trial& trial) { return trial.state == state; });
  }
  return json;
}

std::string values_text(const hpo::Assignment& values) {
  std::string text;
  for (const auto& [name, value] : values)
    text += (text.empty() ? "" : "  ") + name + "=" + hpo::to_string(value);
  return text;
}

}  // namespace

std::vector<std::int64_t> best_first(const hpo::History& history) {
  std::vector<std::int64_t> numbers;
  for (const hpo::Trial& trial : history.trials) {
    if (trial.state == hpo::TrialState::Complete && !trial.objectives.empty())
      numbers.push_back(trial.number);
  }
  const bool maximise = history.objectives.front().maximise;
  const auto key = [&](std::int64_t number) {
    const hpo::Trial& trial = history.trials[static_cast<std::size_t>(number)];
    return std::pair(!hpo::is_feasible(trial),
                     maximise ? -trial.objectives.front() : trial.objectives.front());
  };
  std::stable_sort(numbers.begin(), numbers.end(),
                   [&key](std::int64_t a, std::int64_t b) { return key(a) < key(b); });
  return numbers;
}

Json study_summary(const hpo::StudyStore& store) {
  const hpo::History& history = store.history();
  const Json definition = hpo::to_json(store.definition());
  Json json{{"study", store.path().string()},
            {"name", store.definition().name},
            {"algorithm", store.definition().algorithm},
            {"objectives", definition.at("objectives")},
            {"limits", definition.at("limits")},
            {"trials", counts(history)},
            {"resource", total_resource(history)}};
  json["tuners"] = Json::array();
  for (const hpo::TunerRecord& tuner : store.tuners()) {
    if (!tuner.alive) continue;
    json["tuners"].push_back({{"id", tuner.id},
                              {"host", tuner.host},
                              {"pid", tuner.pid},
                              {"heartbeat", tuner.heartbeat}});
  }
  json["best"] = Json::array();
  const std::vector<std::int64_t> best = best_first(history);
  for (std::size_t i = 0; i < std::min(kBest, best.size()); ++i)
    json["best"].push_back(hpo::trial_json(store, best[i]));
  if (history.objectives.size() > 1) json["pareto_front"] = hpo::pareto_front(history);
  return json;
}

void print_study_summary(const hpo::StudyStore& store) {
  const hpo::History& history = store.history();
  const auto tuners = store.tuners();
  fmt::print("{}: {} ({}, seed {})\n", store.path().string(), store.definition().name,
             store.definition().algorithm, store.definition().seed);
  fmt::print("{} trials", history.trials.size());
  const Json numbers = counts(history);
  for (const auto& [state, count] : numbers.items()) {
    if (state != "total" && count != 0) fmt::print(", {} {}", count.get<std::int64_t>(), state);
  }
  fmt::print("; {} of work; {} tuners\n", total_resource(history),
             std::count_if(tuners.begin(), tuners.end(),
                           [](const hpo::TunerRecord& tuner) { return tuner.alive; }));
  const std::vector<std::int64_t> best = best_first(history);
  if (!best.empty()) fmt::print("\n{:>6}", "trial");
  if (!best.empty())
    for (const hpo::Objective& objective : history.objectives)
      fmt::print(" {:>16}", objective.metric);
  if (!best.empty()) fmt::print("  values\n");
  for (std::size_t i = 0; i < std::min(kBest, best.size()); ++i) {
    const hpo::Trial& trial = history.trials[static_cast<std::size_t>(best[i])];
    fmt::print("{:>6}", trial.number);
    for (const double value : trial.objectives) fmt::print(" {:>16.8g}", value);
    fmt::print("  {}{}\n", values_text(trial.values),
               hpo::is_feasible(trial) ? "" : "  (beyond a constraint)");
  }
  if (history.objectives.size() > 1) {
    fmt::print("\nPareto front:");
    for (const std::size_t number : hpo::pareto_front(history)) fmt::print(" {}", number);
    fmt::print("\n");
  }
  std::map<std::string, std::int64_t> errors;
  for (const hpo::Trial& trial : history.trials) {
    if (trial.state == hpo::TrialState::Failed)
      ++errors[store.records()[static_cast<std::size_t>(trial.number)].error];
  }
  if (!errors.empty()) fmt::print("\nfailed:\n");
  for (const auto& [error, count] : errors) fmt::print("{:>6} x {}\n", count, error);
}

TunePart add_tune_status(CLI::App& tune, CommonOptions& common) {
  CLI::App* const app =
      tune.add_subcommand("status", "say how far a study is, also while it runs")->fallthrough();
  struct Flags {
    std::string study;
    bool trials = false, events = false;
  };
  const auto flags = std::make_shared<Flags>();  // outlives this call, with the app
  app->add_option("STUDY", flags->study, "study file")->required();
  app->add_flag("--trials", flags->trials, "with --json: list all trials");
  app->add_flag("--events", flags->events, "with --json: list what happened, in order");
  return {app, [flags, &common] {
            load_config(common).reject_unknown();  // status has no fields of its own
            if (!common.json && (flags->trials || flags->events))
              fail(ErrorCode::InvalidArgument, "--trials and --events list with --json only");
            const hpo::StudyStore store = hpo::StudyStore::read(flags->study);
            if (!common.json) {
              print_study_summary(store);
              return 0;
            }
            Json json = study_summary(store);
            if (flags->trials) {
              json["all_trials"] = Json::array();
              for (const hpo::Trial& trial : store.history().trials)
                json["all_trials"].push_back(hpo::trial_json(store, trial.number));
            }
            if (flags->events) {
              json["events"] = Json::array();
              for (const hpo::TrialEvent& event : store.events()) {
                json["events"].push_back({{"time", event.time},
                                          {"trial", event.trial},
                                          {"tuner", event.tuner},
                                          {"what", event.what},
                                          {"detail", event.detail}});
              }
            }
            print_json(json);
            return 0;
          }};
}

}  // namespace jetcal::cli
