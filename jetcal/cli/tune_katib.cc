// SPDX-License-Identifier: Apache-2.0
// A study as an Experiment of Katib, and the check of any Experiment.
#include <fmt/format.h>

#include <filesystem>
#include <memory>

#include "jetcal/base/files.h"
#include "jetcal/base/number.h"
#include "jetcal/cli/tune_config.h"
#include "jetcal/cli/tune_parts.h"
#include "jetcal/hpo/command_template.h"
#include "jetcal/hpo/katib_rules.h"

namespace jetcal::cli {

namespace {

using Texts = std::map<std::string, std::string>;

constexpr const char* kMetricsFile = "/var/log/katib/metrics.log";  // Katib's default

std::string use_of(const std::string& parameter) { return "${trialParameters." + parameter + "}"; }

std::vector<hpo::KatibVolume> read_volumes(const Config& config) {
  std::vector<hpo::KatibVolume> volumes;
  for (const Texts& entry : config.get("katib.volumes", std::vector<Texts>{})) {
    hpo::KatibVolume volume;
    for (const auto& [name, value] : entry) {
      if (name == "claim") {
        volume.claim = value;
      } else if (name == "path") {
        volume.path = value;
      } else if (name == "read_only") {
        if (!YAML::convert<bool>::decode(YAML::Node(value), volume.read_only)) {
          fail(ErrorCode::InvalidArgument, config.source(),
               ": katib.volumes: read_only must be true or false, got '", value, "'");
        }
      } else {
        fail(ErrorCode::InvalidArgument, config.source(), ": katib.volumes: unknown field '", name,
             "'");
      }
    }
    if (volume.claim.empty() || !volume.path.starts_with('/')) {
      fail(ErrorCode::InvalidArgument, config.source(),
           ": katib.volumes: an entry needs claim, and path beginning with '/'");
    }
    volumes.push_back(std::move(volume));
  }
  return volumes;
}

bool promotes(const std::string& algorithm) {
  return algorithm == "asha" || algorithm == "hyperband" || algorithm == "bohb";
}

std::int64_t setting_of(const hpo::StudyDefinition& study, const std::string& name,
                        std::int64_t fallback) {
  const auto found = study.settings.find(name);
  return found == study.settings.end()
             ? fallback
             : parse_number<std::int64_t>(found->second).value_or(fallback);
}

// What the service will say of the study when the experiment is applied.
void check_search(const hpo::StudyDefinition& study) {
  hpo::validate(study);
  hpo::make_algorithm(study.algorithm, study.settings, study.space, study.objectives, study.seed);
  if (!study.early_stopping.empty())
    hpo::make_early_stopping(study.early_stopping, study.early_stopping_settings, study.objectives);
}

// Katib wants every trial parameter to occur, also that of checkpoints which are not kept.
std::string begins_anew() {
  return ": trial " + use_of("trial") + " begins anew: no checkpoints are kept\n";
}

// A script that writes the training configuration, the values in it, and trains.
std::vector<std::string> training_command(const TuneConfig& config) {
  // Parsed anew: copies of a Config share what set() changes.
  Config run = Config::parse(config.train->dump(), config.train->source());
  for (const hpo::Parameter& parameter : config.study.space.parameters())
    run.set_text(field_of(parameter.name, config.fields), use_of(parameter.name));
  std::string folder = "/tmp/run", more;
  if (!config.katib.resource.empty()) {
    more = " --pause-after " + use_of(config.katib.resource);
    if (!config.checkpoints.empty())
      folder = config.checkpoints + "/" + config.katib.name + "/trial-" + use_of("trial");
  }
  const std::string script = fmt::format(
      "cat > /tmp/train.yaml <<'END_OF_CONFIGURATION'\n{}\nEND_OF_CONFIGURATION\n"
      "{}exec jetcal train --config /tmp/train.yaml --output {} --metrics-file {}{}\n",
      run.dump(), !config.katib.resource.empty() && config.checkpoints.empty() ? begins_anew() : "",
      folder, kMetricsFile, more);
  return {"sh", "-c", script};
}

hpo::Substitutions substitutions(const TuneConfig& config) {
  hpo::Substitutions values;
  for (const hpo::Parameter& parameter : config.study.space.parameters())
    values[parameter.name] = use_of(parameter.name);
  const bool resource = !config.katib.resource.empty();
  values["folder"] =
      config.checkpoints.empty() || !resource
          ? "/tmp/trial"
          : config.checkpoints + "/" + config.katib.name + "/trial-" + use_of("trial");
  values["trial"] = resource ? use_of("trial") : "0";
  values["attempt"] = "0";
  values["budget"] = resource ? use_of(config.katib.resource) : "0";
  values["threads"] = fmt::format("{:.0f}", std::max(1.0, config.katib.cpus));
  values["gpus"] = "";
  values["jetcal"] = "jetcal";
  return values;
}

std::vector<std::string> other_command(const TuneConfig& config) {
  const hpo::Substitutions values = substitutions(config);
  const TrialCommand& command = *config.command;
  const bool promoted = !config.katib.resource.empty();
  if (promoted && !knows_budget(config)) {
    fail(ErrorCode::InvalidArgument, "Katib ends no trial at its budget: with ",
         config.study.algorithm, " trial.command must use ${budget}");
  }
  if (!command.shell.empty()) {
    return {"sh", "-c",
            (promoted && config.checkpoints.empty() ? begins_anew() : "") + "mkdir -p " +
                values.at("folder") + "\n" + hpo::substitute(command.shell, values) + "\n"};
  }
  std::vector<std::string> arguments;
  for (const std::string& argument : command.arguments)
    arguments.push_back(hpo::substitute(argument, values));
  return arguments;
}

// Where Katib's collector finds what the command says; empty: in its output.
std::string metrics_file(const TuneConfig& config) {
  const TrialCommand& command = *config.command;
  if (command.metrics.empty()) {
    if (command.json) {
      fail(ErrorCode::InvalidArgument,
           "Katib reads JSON from files only: give trial.metrics.file beside the format json");
    }
    return "";
  }
  const hpo::Substitutions values = substitutions(config);
  const std::filesystem::path folder = values.at("folder");
  std::string path = (folder / hpo::substitute(command.metrics, values)).string();
  if (path.find("${") != std::string::npos) {
    fail(ErrorCode::InvalidArgument, "Katib reads the metrics of every trial at one path, which ",
         path, " is not: give trial.metrics.file an absolute path without values");
  }
  return path;
}

}  // namespace

void read_katib(const Config& config, TuneConfig& tune) {
  hpo::KatibOptions& katib = tune.katib;
  katib.name = config.get("katib.name", tune.study.name);
  katib.name_space = config.get("katib.namespace", katib.name_space);
  katib.image = config.get("katib.image", katib.image);
  katib.trial = hpo::parse_katib_trial(config.get<std::string>("katib.trial", "PyTorchJob"));
  katib.runtime = config.get("katib.runtime", katib.runtime);
  katib.runtime_kind = config.get("katib.runtime_kind", katib.runtime_kind);
  katib.workers = config.get("katib.workers", katib.workers);
  katib.cpus = config.get("katib.cpus", katib.cpus);
  katib.memory = config.get("katib.memory", katib.memory);
  katib.gpus = config.get("katib.gpus", katib.gpus);
  katib.parallel = config.get("katib.parallel", static_cast<std::int64_t>(tune.executor.parallel));
  katib.max_failed = config.get(
      "katib.max_failed", tune.study.limits.failed_trials > 0 ? tune.study.limits.failed_trials
                          : tune.study.limits.trials > 0
                              ? std::min<std::int64_t>(katib.max_failed, tune.study.limits.trials)
                              : katib.max_failed);
  katib.service_account = config.get("katib.service_account", katib.service_account);
  katib.environment = config.get("katib.environment", katib.environment);
  katib.algorithm = config.get("katib.algorithm", katib.algorithm);
  katib.volumes = read_volumes(config);
  tune.checkpoints = config.get("katib.checkpoints", tune.checkpoints);
}

std::string katib_manifest(const TuneConfig& config) {
  check_search(config.study);
  if (!config.measure.empty()) {
    fail(ErrorCode::InvalidArgument,
         "Katib runs one command a trial: what trial.measure does must be part of it");
  }
  TuneConfig katib = config;
  if (promotes(config.study.algorithm)) {
    katib.katib.resource = "resource";
    katib.katib.resource_low = setting_of(config.study, "min_resource", 1);
    katib.katib.resource_high = setting_of(config.study, "max_resource", 50);
  }
  if (config.train) {
    katib.katib.command = training_command(katib);
    katib.katib.metrics_file = kMetricsFile;
  } else {
    katib.katib.command = other_command(katib);
    katib.katib.metrics_file = metrics_file(katib);
    katib.katib.metrics_json = config.command->json;
  }
  return hpo::katib_experiment(katib.study, katib.katib);
}

TunePart add_tune_lint(CLI::App& tune, CommonOptions& common) {
  CLI::App* const lint =
      tune.add_subcommand("lint", "check an Experiment of Katib by the rules of its webhook")
          ->fallthrough();
  const auto file = std::make_shared<std::string>();  // outlives this call, with the app
  lint->add_option("FILE", *file, "manifest in YAML")->required();
  return {lint, [file, &common] {
            load_config(common).reject_unknown();  // lint has no fields of its own
            const auto mistakes = hpo::katib_mistakes(read_file(*file), *file);
            if (common.json) {
              print_json({{"file", *file}, {"mistakes", mistakes}});
            } else {
              for (const std::string& mistake : mistakes) fmt::print("{}\n", mistake);
            }
            if (mistakes.empty()) return 0;
            fail(ErrorCode::InvalidArgument, *file, ": Katib would refuse it: ", mistakes.front(),
                 mistakes.size() > 1 ? fmt::format(" (and {} more)", mistakes.size() - 1)
                                     : std::string());
          }};
}

}  // namespace jetcal::cli
