// SPDX-License-Identifier: Apache-2.0
#include "jetcal/cli/tune_config.h"

#include <algorithm>
#include <set>
#include <utility>

#include "jetcal/base/error.h"
#include "jetcal/hpo/command_template.h"

namespace jetcal::cli {

namespace {

using Texts = std::map<std::string, std::string>;

// Scalars of a mapping as texts.
Texts texts_of(const Config& config, const std::string& section) {
  return config.get(section, Texts{});
}

bool maximises(const Config& config, const std::string& field, const std::string& goal) {
  if (goal == "maximise" || goal == "maximize") return true;
  if (goal == "minimise" || goal == "minimize") return false;
  fail(ErrorCode::InvalidArgument, config.source(), ": ", field,
       ": the goal must be minimise or maximise, got '", goal, "'");
}

void reject_others(const Config& config, const std::string& field, const Texts& entry,
                   const std::set<std::string>& known) {
  for (const auto& [name, value] : entry) {
    if (!known.contains(name))
      fail(ErrorCode::InvalidArgument, config.source(), ": ", field, ": unknown field '", name,
           "'");
  }
}

std::vector<hpo::Objective> read_objectives(const Config& config) {
  const std::string metric = config.get<std::string>("objective", "validation_loss");
  const std::string goal = config.get<std::string>("goal", "minimise");
  const auto list = config.get("objectives", std::vector<Texts>{});
  if (list.empty()) return {{metric, maximises(config, "goal", goal)}};
  if (config.has("objective") || config.has("goal")) {
    fail(ErrorCode::InvalidArgument, config.source(),
         ": give either objectives, each with its goal, or objective and goal");
  }
  std::vector<hpo::Objective> objectives;
  for (const Texts& entry : list) {
    reject_others(config, "objectives", entry, {"metric", "goal"});
    if (!entry.contains("metric"))
      fail(ErrorCode::InvalidArgument, config.source(), ": objectives: an entry has no metric");
    const std::string own = entry.contains("goal") ? entry.at("goal") : "minimise";
    objectives.push_back({entry.at("metric"), maximises(config, "objectives", own)});
  }
  return objectives;
}

double number_of(const Config& config, const std::string& field, const std::string& text) {
  try {
    std::size_t length = 0;
    const double value = std::stod(text, &length);
    if (length == text.size()) return value;
  } catch (const std::exception&) {  // told below
  }
  fail(ErrorCode::InvalidArgument, config.source(), ": ", field, ": '", text, "' is no number");
}

std::vector<hpo::Constraint> read_constraints(const Config& config) {
  std::vector<hpo::Constraint> constraints;
  for (const Texts& entry : config.get("constraints", std::vector<Texts>{})) {
    reject_others(config, "constraints", entry, {"metric", "at_most", "at_least"});
    const bool at_most = entry.contains("at_most");
    if (!entry.contains("metric") || at_most == entry.contains("at_least")) {
      fail(ErrorCode::InvalidArgument, config.source(),
           ": constraints: an entry needs metric and one of at_most and at_least");
    }
    const std::string& limit = entry.at(at_most ? "at_most" : "at_least");
    constraints.push_back({entry.at("metric"), number_of(config, "constraints", limit), at_most});
  }
  return constraints;
}

// The mapping {name: ..., setting: value, ...}, or the name alone.
std::pair<std::string, hpo::Settings> read_algorithm(const Config& config,
                                                     const std::string& section,
                                                     const std::string& fallback) {
  if (!config.has(section)) return {fallback, {}};
  if (!is_mapping(config, section)) return {config.require<std::string>(section), {}};
  Texts settings = texts_of(config, section);
  std::string name = settings.contains("name") ? settings.at("name") : fallback;
  settings.erase("name");
  return {std::move(name), std::move(settings)};
}

TrialCommand read_command(const Config& config, const YAML::Node& node, const std::string& field) {
  TrialCommand command;
  try {
    if (node.IsSequence()) {
      command.arguments = node.as<std::vector<std::string>>();
    } else {
      command.shell = node.as<std::string>();
    }
  } catch (const YAML::Exception&) {
    fail(ErrorCode::InvalidArgument, config.source(), ":", node.Mark().line + 1, ": ", field,
         " must be a line for the shell, or a list of arguments");
  }
  if (command.shell.empty() && command.arguments.empty())
    fail(ErrorCode::InvalidArgument, config.source(), ": ", field, " is empty");
  return command;
}

std::vector<TrialCommand> read_measurements(const Config& config) {
  std::vector<TrialCommand> list;
  for (const YAML::Node& node : config.get("trial.measure", std::vector<YAML::Node>{})) {
    if (!node.IsMap() || !node["command"].IsDefined()) {
      fail(ErrorCode::InvalidArgument, config.source(), ":", node.Mark().line + 1,
           ": trial.measure: an entry needs a command");
    }
    TrialCommand command = read_command(config, node["command"], "trial.measure");
    for (const auto& entry : node) {
      const std::string name = entry.first.Scalar();
      if (name == "command") continue;
      if (name == "metrics" && entry.second.IsMap()) {
        // Ours: printed, as one reads it; turned round for looking up.
        for (const auto& pair : entry.second)
          command.names[pair.second.Scalar()] = pair.first.Scalar();
      } else if (name == "json") {
        if (!YAML::convert<bool>::decode(entry.second, command.json)) {
          fail(ErrorCode::InvalidArgument, config.source(), ":", entry.second.Mark().line + 1,
               ": trial.measure: json must be true or false, got '", entry.second.Scalar(), "'");
        }
      } else {
        fail(ErrorCode::InvalidArgument, config.source(), ":", entry.first.Mark().line + 1,
             ": trial.measure: unknown field '", name, "'");
      }
    }
    list.push_back(std::move(command));
  }
  return list;
}

hpo::ExecutorOptions read_executor(const Config& config) {
  hpo::ExecutorOptions options;
  options.output = config.get<std::string>("output", "");
  options.parallel = config.get("run.parallel", options.parallel);
  options.cores = config.get("run.cores", options.cores);
  options.gpus = config.get("run.gpus", options.gpus);
  options.gpu_ids = config.get("run.gpu_ids", options.gpu_ids);
  options.minutes = config.get("run.minutes", options.minutes);
  options.memory_mb = config.get("run.memory_mb", options.memory_mb);
  options.retries = config.get("run.retries", options.retries);
  options.retry_seconds = config.get("run.retry_seconds", options.retry_seconds);
  options.grace_seconds = config.get("run.grace_seconds", options.grace_seconds);
  options.resource = config.get("trial.resource", options.resource);
  return options;
}

void read_trial(const Config& config, TuneConfig& tune) {
  tune.fields = texts_of(config, "trial.fields");
  tune.measure = read_measurements(config);
  if (config.has("trial.train")) {
    const auto node = config.require<YAML::Node>("trial.train");
    if (node.IsScalar()) {
      tune.train = Config::load(node.Scalar());
    } else {
      YAML::Emitter text;
      text << node;
      tune.train = Config::parse(text.c_str(), config.source() + ": trial.train");
    }
  }
  if (config.has("trial.command")) {
    tune.command =
        read_command(config, config.require<YAML::Node>("trial.command"), "trial.command");
    tune.command->metrics = config.get<std::string>("trial.metrics.file", "");
    tune.command->names = {};
    const std::string format = config.get<std::string>("trial.metrics.format", "text");
    if (format != "text" && format != "json") {
      fail(ErrorCode::InvalidArgument, config.source(),
           ": trial.metrics.format must be text or json, got '", format, "'");
    }
    tune.command->json = format == "json";
  }
}

// Algorithms with rungs end where a training ends.
void use_epochs(const Config& train, hpo::StudyDefinition& study) {
  for (const hpo::SettingInfo& setting : hpo::algorithm_settings(study.algorithm)) {
    if (setting.name == "max_resource" && !study.settings.contains(setting.name))
      study.settings[setting.name] = train.get<std::string>("training.epochs", "50");
  }
}

}  // namespace

bool is_mapping(const Config& config, const std::string& name) {
  const std::vector<std::string> sections = config.sections();
  return std::find(sections.begin(), sections.end(), name) != sections.end();
}

hpo::StudyDefinition read_study(const Config& config) {
  hpo::StudyDefinition study;
  study.name = config.get("name", study.name);
  if (config.has("space")) {
    study.space = hpo::SearchSpace::preset(config.require<std::string>("space"));
  } else if (config.has("parameters")) {
    study.space = hpo::SearchSpace::from_config(config, "");
  } else {
    fail(ErrorCode::InvalidArgument, config.source(),
         ": the search space is missing: give space (paper-pfn, paper-particlenet) or parameters");
  }
  study.objectives = read_objectives(config);
  study.constraints = read_constraints(config);
  const auto outcome = config.get<std::string>("outcome", "last");
  if (outcome != "last" && outcome != "best") {
    fail(ErrorCode::InvalidArgument, config.source(), ": outcome must be last or best, got '",
         outcome, "'");
  }
  study.outcome = outcome == "best" ? hpo::ReportChoice::Best : hpo::ReportChoice::Last;
  std::tie(study.algorithm, study.settings) = read_algorithm(config, "algorithm", "tpe");
  std::tie(study.early_stopping, study.early_stopping_settings) =
      read_algorithm(config, "early_stopping", "");
  study.seed = config.get("seed", study.seed);
  hpo::StudyLimits& limits = study.limits;
  limits.trials = config.get("limits.trials", limits.trials);
  limits.resource = config.get("limits.resource", limits.resource);
  limits.failed_trials = config.get("limits.failed_trials", limits.failed_trials);
  limits.hours = config.get("limits.hours", limits.hours);
  if (config.has("limits.goal")) limits.goal = config.require<double>("limits.goal");
  return study;
}

TuneConfig read_tune_config(const Config& config) {
  TuneConfig tune;
  tune.study = read_study(config);
  tune.executor = read_executor(config);
  tune.study_file = config.get<std::string>("study", "");
  tune.threads = config.get("threads", 0);
  if (tune.threads < 0)
    fail(ErrorCode::InvalidArgument, config.source(), ": threads must not be negative, got ",
         tune.threads);
  read_trial(config, tune);
  read_katib(config, tune);
  if (tune.train.has_value() == tune.command.has_value()) {
    fail(ErrorCode::InvalidArgument, config.source(),
         ": the section trial needs either train (a configuration of jetcal train) or command");
  }
  if (tune.train) use_epochs(*tune.train, tune.study);
  if (tune.study_file.empty()) tune.study_file = tune.executor.output / "study.db";
  return tune;
}

}  // namespace jetcal::cli
