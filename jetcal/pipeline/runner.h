// SPDX-License-Identifier: Apache-2.0
// Runs a pipeline on this machine: what is there is taken, the rest runs side by side.
#pragma once

#include <filesystem>
#include <functional>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "jetcal/pipeline/store.h"

namespace jetcal::pipeline {

/// Finds the program of a command line and the files whose contents decide what it does.
struct Program {
  std::string path;  ///< What is started in place of the first word.
  std::vector<std::filesystem::path> binaries;
};
using FindProgram = std::function<Program(const std::vector<std::string>& command)>;

/// Finds the first word on the PATH. Throws NotFound.
Program find_on_path(const std::vector<std::string>& command);

struct RunOptions {
  std::filesystem::path root = "pipeline";  ///< Folder of artefacts and runs.
  /// s3://bucket/prefix or a folder that machines share: artefacts and records go there too, and
  /// what is finished there is taken. Empty: none.
  std::string store;
  std::map<std::string, Json> parameters;  ///< Checked; those not named have their defaults.
  std::map<std::string, std::vector<std::string>>
      inputs;  ///< Paths, or s3://bucket/key, in place of the file's.
  double cores = 1;
  std::int64_t memory = 0;  ///< Bytes; 0: no limit.
  std::int64_t gpus = 0;
  std::string from;             ///< Earlier steps are taken as they were last, whatever changed.
  std::string until;            ///< Later steps do not run.
  std::set<std::string> force;  ///< Steps that run though they are there.
  bool force_all = false;
  bool dry_run = false;
  std::string experiment;
  std::string resume;  ///< Id of the run to go on with; empty: a new one.
  int service_port = 8000;
  std::string text;   ///< The pipeline's file, kept with the run.
  double grace = 10;  ///< Seconds that a step has to end by itself.
  FindProgram find_program = find_on_path;
  std::function<bool()> should_stop = [] { return false; };
  std::function<void(const Json&)> on_event = [](const Json&) {};
};

/// What became of a step, or of one of its items.
struct StepResult {
  std::string step;
  int item = -1;      ///< Place in the fan-out, or -1.
  std::string state;  ///< finished, cached, kept, skipped, failed, blocked, cancelled, left-out;
                      ///< of a dry run: would-run, unknown.
  std::string reason;
  std::vector<std::string> why;  ///< Why it was not cached.
  std::string key;
  std::string run;  ///< cached, kept: the run that made it.
  std::string log;
  double seconds = 0;
  int attempts = 0;
  std::map<std::string, Output> outputs;
  std::map<std::string, std::string> paths;  ///< Of artefacts; s3://... of those not here.
  std::vector<std::string> service;  ///< Command line of its service at RunOptions::service_port.
};

struct RunResult {
  std::string run;    ///< "" of a dry run.
  std::string state;  ///< finished, failed or cancelled; of a dry run: planned.
  double seconds = 0;
  std::vector<StepResult> steps;
  std::int64_t count(const std::string& of_state) const;
};

Json to_json(const StepResult& step);
Json to_json(const RunResult& result);

/// Runs a checked pipeline. Steps start when those they need have ended and cores and memory are
/// free; a failed step blocks only what needs it. Returns what became of every step.
///
/// A step counts as finished from the moment its record is in the store: a kill of this process, of
/// a step or of both at any time leaves either that record or the step to be run again. Throws
/// InvalidArgument and NotFound for parameters, inputs and step names before anything starts,
/// FailedPrecondition when another process goes on with the run. Requires a process with one
/// thread, as processes are forked that do more than exec.
RunResult run_pipeline(const Pipeline& pipeline, const RunOptions& options);

/// The parameters of a run: defaults, overridden. Throws InvalidArgument for unknown, missing and
/// wrong ones.
std::map<std::string, Json> complete_parameters(const Pipeline& pipeline,
                                                const std::map<std::string, Json>& given);

/// Name of a step's item, e.g. "train[2]".
std::string instance_name(const std::string& step, int item);

}  // namespace jetcal::pipeline
