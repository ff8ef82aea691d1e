// SPDX-License-Identifier: Apache-2.0
// jetcal pipeline run: flags to options, progress lines, the table at the end.
#include <unistd.h>

#include <chrono>
#include <cstdio>
#include <fstream>
#include <sstream>
#include <thread>

#include "jetcal/base/files.h"
#include "jetcal/base/process_arguments.h"
#include "jetcal/base/stop.h"
#include "jetcal/base/threads.h"
#include "jetcal/cli/pipeline_parts.h"
#include "jetcal/pipeline/cron.h"
#include "jetcal/pipeline/run_history.h"

namespace jetcal::cli {
namespace {

namespace fs = std::filesystem;
using pipeline::Json;

// Verbs whose work another program than the front program does.
const std::map<std::string, std::vector<std::string>>& heavy_verbs() {
  static const std::map<std::string, std::vector<std::string>> kVerbs{
      {"simulate", {"jetcal-simulate"}},   {"ingest", {"jetcal-physics"}},
      {"jec", {"jetcal-physics"}},         {"train", {"jetcal-train"}},
      {"predict", {"jetcal-physics"}},     {"analyze", {"jetcal-physics"}},
      {"tune", {"jetcal", "jetcal-train"}}};
  return kVerbs;
}

std::pair<std::string, std::string> split_assignment(const std::string& text, const char* flag) {
  const std::size_t equals = text.find('=');
  if (equals == 0 || equals == std::string::npos)
    fail(ErrorCode::InvalidArgument, flag, " takes NAME=VALUE, got '", text, "'");
  return {text.substr(0, equals), text.substr(equals + 1)};
}

std::int64_t free_memory() {
  std::ifstream in("/proc/meminfo");
  for (std::string line; std::getline(in, line);) {
    if (line.rfind("MemAvailable:", 0) == 0) return std::stoll(line.substr(13)) * 1024;
  }
  return 0;
}

void print_event(const Json& event) {
  if (event.value("event", "") == "fetching") {
    constexpr double kMega = 1e6;
    std::fprintf(stderr, "fetching %s, %.1f MB\n", event.value("location", "").c_str(),
                 event.value("bytes", 0.0) / kMega);
  }
  if (event.value("event", "") != "step") return;
  const std::string name =
      pipeline::instance_name(event.value("step", ""), event.value("item", -1));
  const std::string state = event.value("state", "");
  std::string text = name + ": " + state;
  if (state == "cached" || state == "kept") text += " (run " + event.value("run", "") + ")";
  if (state == "finished") {
    char seconds[32];
    std::snprintf(seconds, sizeof seconds, " in %.1f s", event.value("seconds", 0.0));
    text += seconds;
  }
  if (state == "running" || state == "would-run") {
    for (const Json& why : event.value("why", Json::array())) text += "; " + why.get<std::string>();
  }
  const std::string reason = event.value("reason", "");
  if (!reason.empty() && state != "finished") text += ": " + reason;
  if (state == "failed" || state == "retry") {
    const std::string log = event.value("log", "");
    if (!log.empty()) text += "; its log is " + log;
  }
  std::fprintf(stderr, "%s\n", text.c_str());
}

void print_result(const pipeline::RunResult& result) {
  std::printf("%-20s %-10s %9s  %s\n", "step", "state", "seconds", "values and artefacts");
  for (const pipeline::StepResult& step : result.steps) {
    std::string values;
    for (const auto& [name, output] : step.outputs) {
      const auto path = step.paths.find(name);
      values += (values.empty() ? "" : ", ") + name + " " +
                (path == step.paths.end() ? output.value.dump() : output.sha256.substr(0, 12));
    }
    if (values.empty()) values = step.reason;
    std::printf("%-20s %-10s %9.1f  %s\n", pipeline::instance_name(step.step, step.item).c_str(),
                step.state.c_str(), step.seconds, values.c_str());
  }
  std::printf("\n%s: %s in %.1f s; %lld ran, %lld cached\n",
              result.run.empty() ? "dry run" : result.run.c_str(), result.state.c_str(),
              result.seconds, static_cast<long long>(result.count("finished")),
              static_cast<long long>(result.count("cached")));
  for (const pipeline::StepResult& step : result.steps) {
    for (const auto& [name, path] : step.paths) {
      if (name == "report") std::printf("report: %s\n", path.c_str());
    }
    if (step.service.empty()) continue;
    std::printf("serve it:");
    for (const std::string& word : step.service) std::printf(" %s", word.c_str());
    std::printf("\n");
  }
}

// Becomes the service of the last step that has one.
int serve(const pipeline::RunResult& result) {
  for (auto step = result.steps.rbegin(); step != result.steps.rend(); ++step) {
    if (step->service.empty()) continue;
    std::vector<std::string> words = step->service;
    const std::vector<char*> argv = pointers_to(words);
    std::fflush(nullptr);
    ::execvp(argv[0], argv.data());
    fail(ErrorCode::Internal, "cannot start ", words[0]);
  }
  fail(ErrorCode::InvalidArgument, "--serve needs a step with a service that ended well");
}

pipeline::RunOptions options_of(const pipeline::Pipeline& graph, const PipelineFlags& flags) {
  pipeline::RunOptions options;
  if (flags.directory.rfind("s3://", 0) == 0)
    fail(ErrorCode::InvalidArgument,
         "--directory is a folder of this machine, for journals and "
         "work; give ",
         flags.directory, " as --store");
  options.root = flags.directory;
  options.store = flags.store;
  options.parameters = read_parameters(graph, flags);
  for (const std::string& text : flags.input) {
    const auto [name, path] = split_assignment(text, "--input");
    options.inputs[name].push_back(path);
  }
  options.cores = flags.cores > 0 ? flags.cores : num_threads();
  options.memory = flags.memory.empty() ? free_memory() : pipeline::parse_memory(flags.memory);
  options.gpus = flags.gpus;
  options.from = flags.from;
  options.until = flags.until;
  options.force = {flags.force.begin(), flags.force.end()};
  options.force_all = flags.force_all;
  options.dry_run = flags.dry_run;
  options.experiment = flags.experiment;
  options.service_port = flags.serve_port;
  options.find_program = find_step_program;
  options.should_stop = [] { return stop_requested(); };
  options.on_event = print_event;
  return options;
}

// The flags of the run that is resumed, and its pipeline as it was.
OpenedPipeline reopen(const PipelineFlags& flags, pipeline::RunOptions& options) {
  const pipeline::Store store(flags.directory);
  const pipeline::RunSummary run = pipeline::find_run(store, flags.resume);
  const Json document = Json::parse(read_file(fs::path(run.folder) / "run.json"), nullptr, false);
  if (document.is_discarded()) fail(ErrorCode::DataLoss, run.folder, "/run.json is damaged");
  OpenedPipeline opened;
  opened.text = read_file(fs::path(run.folder) / "pipeline.yaml");
  opened.graph =
      pipeline::parse_pipeline(opened.text, document.at("source"), document.at("folder"));
  PipelineFlags same = flags;
  same.set.clear();
  same.parameters.clear();
  same.input.clear();
  options = options_of(opened.graph, same);
  for (const auto& [name, value] : run.parameters.items()) options.parameters[name] = value;
  for (const auto& [name, paths] : run.inputs.items())
    options.inputs[name] = paths.get<std::vector<std::string>>();
  options.resume = run.run;
  if (options.store.empty()) options.store = document.value("store", "");
  return opened;
}

int status_of(const pipeline::RunResult& result) {
  if (result.state == "failed") return exit_status(ErrorCode::FailedPrecondition);
  return result.state == "cancelled" ? exit_status(ErrorCode::Cancelled) : 0;
}

int run_once(const PipelineFlags& flags, bool json) {
  OpenedPipeline opened;
  pipeline::RunOptions options;
  if (flags.resume.empty()) {
    opened = open_pipeline(flags.pipeline);
    options = options_of(opened.graph, flags);
  } else {
    opened = reopen(flags, options);
  }
  options.text = opened.text;
  const pipeline::RunResult result = pipeline::run_pipeline(opened.graph, options);
  if (json) {
    print_json(to_json(result));
  } else {
    print_result(result);
  }
  for (const pipeline::StepResult& step : result.steps) {
    if (step.state == "failed")
      std::fprintf(stderr, "jetcal pipeline: the step '%s' failed: %s%s%s\n",
                   pipeline::instance_name(step.step, step.item).c_str(), step.reason.c_str(),
                   step.log.empty() ? "" : "; its log is ", step.log.c_str());
  }
  const int status = status_of(result);
  return status == 0 && flags.serve && !flags.dry_run ? serve(result) : status;
}

// Waits until a time on the clock; false when it was told to stop.
bool wait_until(std::int64_t seconds) {
  using namespace std::chrono;
  while (system_clock::now() < system_clock::time_point(std::chrono::seconds(seconds))) {
    if (stop_requested()) return false;
    std::this_thread::sleep_for(milliseconds(50));
  }
  return true;
}

int run_again_and_again(const PipelineFlags& flags, bool json) {
  const pipeline::Pipeline graph = open_pipeline(flags.pipeline).graph;
  if (!graph.recurrence)
    fail(ErrorCode::InvalidArgument, graph.source,
         " has no field 'recurring', which --recurring needs");
  const pipeline::Cron cron(graph.recurrence->cron);
  const auto now = [] {
    return std::chrono::duration_cast<std::chrono::seconds>(
               std::chrono::system_clock::now().time_since_epoch())
        .count();
  };
  int status = 0;
  std::int64_t last = now();
  for (std::int64_t done = 0; flags.times == 0 || done < flags.times; ++done) {
    // Times that passed during a run are made up for only where the file asks for it.
    const std::int64_t next = cron.next(graph.recurrence->catch_up ? last : std::max(last, now()));
    if (next < 0)
      fail(ErrorCode::InvalidArgument, "the schedule '", cron.text(), "' has no next time");
    if (!wait_until(next)) return exit_status(ErrorCode::Cancelled);
    last = next;
    status = run_once(flags, json);  // a failed run does not end the schedule
    if (stop_requested()) return exit_status(ErrorCode::Cancelled);
  }
  return status;
}

}  // namespace

OpenedPipeline open_pipeline(const std::string& name) {
  OpenedPipeline opened;
  if (!name.empty() && fs::exists(name)) {
    opened.graph = pipeline::load_pipeline(name);
    opened.text = read_file(name);
    return opened;
  }
  const std::string builtin = name.empty() ? "paper" : name;
  if (builtin.find('/') != std::string::npos || builtin.find('.') != std::string::npos)
    fail(ErrorCode::NotFound, "no such file: ", name);
  opened.text = pipeline::builtin_text(builtin);
  opened.graph = pipeline::parse_pipeline(opened.text, "the built-in pipeline " + builtin,
                                          fs::current_path().string());
  return opened;
}

std::map<std::string, Json> read_parameters(const pipeline::Pipeline& graph,
                                            const PipelineFlags& flags) {
  std::map<std::string, Json> values;
  if (!flags.parameters.empty()) {
    const auto documents = pipeline::parse_documents(read_file(flags.parameters), flags.parameters);
    const Json document = documents.empty() ? Json() : pipeline::to_json(documents.front());
    if (!document.is_object())
      fail(ErrorCode::InvalidArgument, flags.parameters, ": expected a mapping of parameters");
    for (const auto& [name, value] : document.items()) values[name] = value;
  }
  for (const std::string& text : flags.set) {
    const auto [name, value] = split_assignment(text, "--set");
    const pipeline::Parameter* parameter = graph.find_parameter(name);
    values[name] = parameter == nullptr ? Json(value) : pipeline::read_value(*parameter, value);
  }
  return values;
}

pipeline::Program find_step_program(const std::vector<std::string>& command) {
  if (command.at(0) != "jetcal") return pipeline::find_on_path(command);
  const fs::path self = fs::read_symlink("/proc/self/exe");
  pipeline::Program program;
  program.path = self.string();
  const auto heavy = heavy_verbs().find(command.size() > 1 ? command[1] : "");
  if (heavy == heavy_verbs().end()) {
    program.binaries.push_back(self);
    return program;
  }
  for (const std::string& name : heavy->second) {
    const fs::path binary =
        name == "jetcal" ? self : self.parent_path().parent_path() / "libexec" / "jetcal" / name;
    if (!fs::exists(binary))
      fail(ErrorCode::Unimplemented, "this build has no ", name, ", which 'jetcal ", command[1],
           "' needs; see jetcal doctor");
    program.binaries.push_back(binary);
  }
  return program;
}

int run_pipeline_verb(const PipelineFlags& flags, bool json) {
  return flags.recurring ? run_again_and_again(flags, json) : run_once(flags, json);
}

}  // namespace jetcal::cli
