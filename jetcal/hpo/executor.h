// SPDX-License-Identifier: Apache-2.0
// Runs the trials of a study as processes, n at a time, until the study is done.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "jetcal/hpo/machine_share.h"
#include "jetcal/hpo/study_store.h"
#include "jetcal/hpo/trial_metrics.h"

namespace jetcal::hpo {

/// Where and for how long a trial runs.
struct TrialPlace {
  std::filesystem::path folder;  ///< Its own, kept from attempt to attempt.
  std::int64_t budget = 0;       ///< Resource to reach now; 0: until it ends by itself.
  bool last = true;              ///< With that it is complete.
  std::int64_t attempt = 1;
  Share share;
};

/// One program of a trial and where it says its metrics.
struct TrialStep {
  std::vector<std::string> arguments;
  std::map<std::string, std::string> environment;
  std::filesystem::path metrics;  ///< Empty: its standard output.
  MetricsFile::Format format = MetricsFile::Format::Text;
  /// The metrics that count, under which names: printed -> ours. Empty: all of them.
  std::map<std::string, std::string> names;
  std::string label = "output";  ///< Its output goes to FOLDER/<label>.log, errors beside it.
};

/// Makes the programs of a trial: the first one is the trial, the others measure it when it is
/// complete. May write files into the folder.
using TrialProgram = std::function<std::vector<TrialStep>(const Trial&, const TrialPlace&)>;

/// Configures run_study().
struct ExecutorOptions {
  std::filesystem::path output;  ///< Trials go to OUTPUT/trials/NNNNN.
  int parallel = 1;
  int cores = 0;  ///< Assigned to each trial; 0: none.
  int gpus = 0;
  std::vector<std::string> gpu_ids;    ///< Empty: those the machine shows.
  double minutes = 0;                  ///< Limit of one attempt; 0: none.
  double memory_mb = 0;                ///< Limit of a trial's processes together; 0: none.
  int retries = 1;                     ///< After failures of a trial's own.
  double retry_seconds = 5;            ///< Before the first retry, twice as long before the next.
  std::vector<int> hopeless_statuses;  ///< Exit statuses after which no retry makes sense.
  double grace_seconds = 20;           ///< Between asking a trial to end and killing it.
  std::string resource = "epoch";      ///< The metric that counts work.
  /// The program ends by itself when it has reached its budget; else it is ended from outside.
  bool program_knows_budget = false;
  /// Asked to end, the program ends with a status other than 0 unless its work was done.
  bool program_tells_cut = false;
};

/// Throws InvalidArgument naming the field.
void validate(const ExecutorOptions& options);

/// Lets the caller watch and stop; may be empty.
struct ExecutorHooks {
  std::function<bool()> should_stop;
  /// Something became of a trial: "started", "promoted", "report", "complete", "paused", "stopped",
  /// "retry", "failed", "released".
  std::function<void(const StudyStore&, std::int64_t trial, const std::string& what,
                     const std::string& detail)>
      on_change;
};

/// What this call did; others may have done more.
struct ExecutorResult {
  std::int64_t started = 0, complete = 0, paused = 0, stopped = 0, failed = 0, retried = 0;
  bool cut_off = false;  ///< should_stop() said so; the same call goes on.
};

/// Runs trials until nothing is left to do for anybody. May be called by many processes at a time.
/// When this process is killed, its trials die with it and are taken up by another tuner, or by the
/// next call, from their checkpoints.
ExecutorResult run_study(StudyStore& store, Algorithm& algorithm, Algorithm* early_stopping,
                         const TrialProgram& program, const ExecutorOptions& options,
                         const ExecutorHooks& hooks = {});

/// OUTPUT/trials/NNNNN.
std::filesystem::path trial_folder(const std::filesystem::path& output, std::int64_t trial);

/// Objectives of a trial that has ended, from its reports; empty when one was never reported.
std::vector<double> result_of(const Trial& trial, const std::vector<Objective>& objectives,
                              ReportChoice outcome);

}  // namespace jetcal::hpo
