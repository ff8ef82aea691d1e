// SPDX-License-Identifier: Apache-2.0
// jetcal tune: runs the trials of a study, or goes on with them.
#include <fmt/format.h>

#include <chrono>
#include <cstdio>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "jetcal/base/progress.h"
#include "jetcal/base/stop.h"
#include "jetcal/cli/tune_config.h"
#include "jetcal/cli/tune_parts.h"
#include "jetcal/cli/tune_status.h"

namespace jetcal::cli {

namespace fs = std::filesystem;

namespace {

struct RunFlags {
  std::string output, study, space, objective, goal, algorithm, early_stopping, command, emit;
  std::vector<std::string> settings;
  std::optional<std::int64_t> seed, trials, resource, parallel, retries, cores, gpus;
  std::optional<double> hours, minutes, memory_mb;
  bool dry_run = false;
};

void add_flags(CLI::App& app, RunFlags& flags) {
  app.add_option("--output", flags.output, "folder for the study and its trials");
  app.add_option("--study", flags.study, "study file, default OUTPUT/study.db");
  app.add_option("--space", flags.space, "paper-pfn or paper-particlenet");
  app.add_option("--objective", flags.objective, "metric to make better, default validation_loss");
  app.add_option("--goal", flags.goal, "minimise (default) or maximise");
  app.add_option("--algorithm", flags.algorithm,
                 "grid, random, sobol, tpe (default), gp, cmaes, asha, hyperband or bohb");
  app.add_option("--set", flags.settings, "NAME=VALUE: a setting of the algorithm; repeatable");
  app.add_option("--early-stopping", flags.early_stopping, "median: stop trials that look bad");
  app.add_option("--seed", flags.seed, "seed of the search, default 1");
  app.add_option("--trials", flags.trials, "trials to propose, default 60; 0: no limit");
  app.add_option("--resource", flags.resource, "epochs to spend over all trials; 0: no limit");
  app.add_option("--hours", flags.hours, "hours since the study began; 0: no limit");
  app.add_option("--parallel", flags.parallel, "trials at a time, default 1");
  app.add_option("--cores", flags.cores, "cores of its own for each trial; 0: none assigned");
  app.add_option("--gpus", flags.gpus, "GPUs of its own for each trial; 0: none assigned");
  app.add_option("--minutes", flags.minutes, "limit of one attempt of a trial; 0: none");
  app.add_option("--memory-mb", flags.memory_mb, "limit of the memory of a trial; 0: none");
  app.add_option("--retries", flags.retries, "retries of a trial that failed, default 1");
  app.add_flag("--dry-run", flags.dry_run, "check everything and print the study; run nothing");
  app.add_option("--emit", flags.emit, "katib: print the study as an Experiment, run nothing");
  app.add_option("--command", flags.command, "line for the shell with ${parameter}s in it");
}

template <typename T>
void override_field(Config& config, const char* name, const std::optional<T>& flag) {
  if (flag) config.set(name, fmt::format("{}", *flag));
}

void override_text(Config& config, const char* name, const std::string& flag) {
  if (!flag.empty()) config.set_text(name, flag);
}

// Keeps the settings of the file only where the algorithm stays the same.
void override_algorithm(Config& config, const RunFlags& flags) {
  const bool mapping = is_mapping(config, "algorithm");
  if (!flags.algorithm.empty() &&
      !(mapping && config.get<std::string>("algorithm.name", "") == flags.algorithm)) {
    config.set("algorithm", "{name: " + flags.algorithm + "}");
  } else if (!mapping && !flags.settings.empty()) {
    config.set("algorithm", "{name: " + config.get<std::string>("algorithm", "tpe") + "}");
  }
  for (const std::string& setting : flags.settings) {
    const std::size_t equal = setting.find('=');
    if (equal == std::string::npos || equal == 0)
      fail(ErrorCode::InvalidArgument, "--set needs NAME=VALUE, got '", setting, "'");
    config.set_text("algorithm." + setting.substr(0, equal), setting.substr(equal + 1));
  }
}

TuneConfig read_flags(const RunFlags& flags, const CommonOptions& common) {
  Config config = load_config(common);
  override_text(config, "output", flags.output);
  override_text(config, "study", flags.study);
  override_text(config, "space", flags.space);
  // One objective in place of those of the file.
  if (!flags.objective.empty() && config.has("objectives")) config.set("objectives", "[]");
  override_text(config, "objective", flags.objective);
  override_text(config, "goal", flags.goal);
  override_text(config, "early_stopping", flags.early_stopping);
  override_text(config, "trial.command", flags.command);
  override_algorithm(config, flags);
  override_field(config, "seed", flags.seed);
  override_field(config, "limits.trials", flags.trials);
  override_field(config, "limits.resource", flags.resource);
  override_field(config, "limits.hours", flags.hours);
  override_field(config, "run.parallel", flags.parallel);
  override_field(config, "run.cores", flags.cores);
  override_field(config, "run.gpus", flags.gpus);
  override_field(config, "run.minutes", flags.minutes);
  override_field(config, "run.memory_mb", flags.memory_mb);
  override_field(config, "run.retries", flags.retries);
  if (common.threads > 0) config.set("threads", std::to_string(common.threads));
  TuneConfig tune = read_tune_config(config);
  config.reject_unknown();
  return tune;
}

// A line for each thing that happens, and how far the study is.
class RunProgress {
 public:
  RunProgress(std::int64_t trials, const hpo::Algorithm& algorithm)
      : algorithm_(algorithm), progress_("trials", trials, "trials") {}

  void on_change(const hpo::StudyStore& store, std::int64_t number, const std::string& what,
                 const std::string& detail) {
    if (what == "failed" || what == "retry") {
      std::fprintf(stderr, "trial %lld %s: %s\n", static_cast<long long>(number),
                   what == "failed" ? "failed" : "failed and will be tried again", detail.c_str());
    }
    if (algorithm_.left_out() > 0 && !told_left_out_) {
      told_left_out_ = true;
      std::fprintf(stderr,
                   "the model works on the best and the latest of the trials that ended, without "
                   "%lld of them\n",
                   static_cast<long long>(algorithm_.left_out()));
    }
    // Counting and sorting thousands of trials at each word of one takes longer than the trial.
    const auto now = std::chrono::steady_clock::now();
    if (now < next_) return;
    next_ = now + std::chrono::milliseconds(200);
    std::int64_t ended = 0, running = 0;
    for (const hpo::Trial& trial : store.history().trials) {
      running += trial.state == hpo::TrialState::Running ? 1 : 0;
      ended += trial.state == hpo::TrialState::Complete ||
                       trial.state == hpo::TrialState::Stopped ||
                       trial.state == hpo::TrialState::Failed
                   ? 1
                   : 0;
    }
    std::string note = fmt::format("{} running", running);
    const std::vector<std::int64_t> best = best_first(store.history());
    if (!best.empty()) {
      const hpo::Trial& trial = store.history().trials[static_cast<std::size_t>(best.front())];
      note += fmt::format(", best {} {:.6g} (trial {})", store.definition().objectives[0].metric,
                          trial.objectives.front(), trial.number);
    }
    progress_.update(ended, note);
  }

 private:
  const hpo::Algorithm& algorithm_;
  bool told_left_out_ = false;
  Progress progress_;
  std::chrono::steady_clock::time_point next_{};
};

// Prints the study as a manifest of Kubernetes.
int emit(const TuneConfig& config, const std::string& what, bool json) {
  if (what != "katib") fail(ErrorCode::InvalidArgument, "--emit can be katib, not '", what, "'");
  const std::string manifest = katib_manifest(config);
  const hpo::StudyLimits& limits = config.study.limits;
  if (limits.resource > 0 || limits.hours > 0) {
    std::fprintf(stderr,
                 "Katib knows neither limits.resource nor limits.hours: the experiment "
                 "ends by its trials alone\n");
  }
  if (json) {
    print_json({{"manifest", manifest}});
  } else {
    fmt::print("{}", manifest);
  }
  return 0;
}

int run(const RunFlags& flags, const CommonOptions& common) {
  TuneConfig config = read_flags(flags, common);
  if (!flags.emit.empty()) return emit(config, flags.emit, common.json);
  config.executor.program_knows_budget = knows_budget(config);
  if (config.train) {
    config.executor.hopeless_statuses = {2};  // bad input, such as a loss that is not finite
    config.executor.program_tells_cut = true;
  }
  hpo::validate(config.executor);
  const hpo::TrialProgram program = make_trial_program(config, fs::read_symlink("/proc/self/exe"));
  const auto algorithm =
      hpo::make_algorithm(config.study.algorithm, config.study.settings, config.study.space,
                          config.study.objectives, config.study.seed);
  std::unique_ptr<hpo::Algorithm> early;
  if (!config.study.early_stopping.empty()) {
    early = hpo::make_early_stopping(config.study.early_stopping,
                                     config.study.early_stopping_settings, config.study.objectives);
  }
  if (flags.dry_run) {
    hpo::validate(config.study);
    const nlohmann::ordered_json document = hpo::to_json(config.study);
    if (common.json) {
      print_json(document);
    } else {
      fmt::print("{}\n", document.dump(2));
    }
    return 0;
  }
  hpo::StudyStore store = hpo::StudyStore::create(config.study_file, config.study);
  hpo::ExecutorResult result;
  {
    RunProgress progress(config.study.limits.trials, *algorithm);
    hpo::ExecutorHooks hooks;
    hooks.should_stop = [] { return stop_requested(); };
    hooks.on_change = [&progress](const hpo::StudyStore& now, std::int64_t trial,
                                  const std::string& what, const std::string& detail) {
      progress.on_change(now, trial, what, detail);
    };
    result = hpo::run_study(store, *algorithm, early.get(), program, config.executor, hooks);
  }
  store.refresh();
  if (result.cut_off) {
    fail(ErrorCode::Cancelled, "stopped with ", store.history().trials.size(),
         " trials proposed; the same command goes on from there");
  }
  if (!common.json) {
    print_study_summary(store);
    return 0;
  }
  nlohmann::ordered_json document = study_summary(store);
  if (!document["best"].empty())
    document["best_folder"] =
        hpo::trial_folder(config.executor.output, document["best"][0]["number"].get<std::int64_t>())
            .string();
  document["this_call"] = {{"started", result.started}, {"complete", result.complete},
                           {"paused", result.paused},   {"stopped", result.stopped},
                           {"failed", result.failed},   {"retried", result.retried}};
  if (algorithm->left_out() > 0) document["this_call"]["left_out"] = algorithm->left_out();
  print_json(document);
  return 0;
}

}  // namespace

std::function<int()> add_tune_run(CLI::App& tune, CommonOptions& common) {
  const auto flags = std::make_shared<RunFlags>();  // outlives this call, with the app
  add_flags(tune, *flags);
  return [flags, &common] { return run(*flags, common); };
}

}  // namespace jetcal::cli
