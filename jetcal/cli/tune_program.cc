// SPDX-License-Identifier: Apache-2.0
// Turns a trial into programs: runs of jetcal train, or any command with the values put in.
#include <algorithm>
#include <array>
#include <string_view>

#include "jetcal/base/error.h"
#include "jetcal/base/files.h"
#include "jetcal/base/threads.h"
#include "jetcal/cli/tune_config.h"
#include "jetcal/hpo/command_template.h"

namespace jetcal::cli {

namespace fs = std::filesystem;

namespace {

constexpr std::array<std::string_view, 24> kModelFields{"network",
                                                        "preset",
                                                        "mode",
                                                        "standardise",
                                                        "particle_layers",
                                                        "particle_units",
                                                        "edge_blocks",
                                                        "neighbors",
                                                        "edge_layers",
                                                        "edge_units",
                                                        "embedding_layers",
                                                        "attention_blocks",
                                                        "attention_heads",
                                                        "attention_units",
                                                        "feed_forward_units",
                                                        "head_layers",
                                                        "head_units",
                                                        "dropout",
                                                        "features",
                                                        "target",
                                                        "skip",
                                                        "head",
                                                        "pooling",
                                                        "norm"};
constexpr std::array<std::string_view, 25> kTrainingFields{
    "optimizer",      "lr",           "weight_decay",  "schedule",        "batch_size",
    "seed",           "warmup_steps", "warmup_start",  "gamma",           "final_lr_factor",
    "flat_part",      "clip_norm",    "clip_value",    "ema_decay",       "patience",
    "flavor_weight",  "closure",      "epochs",        "peak_at",         "peak_ratio",
    "ema_start_step", "ema_best",     "patience_gain", "steps_per_epoch", "samples_per_epoch"};

int threads_of(const TuneConfig& config, const hpo::TrialPlace& place) {
  if (!place.share.cores.empty()) return static_cast<int>(place.share.cores.size());
  if (config.threads > 0) return config.threads;
  const auto cores = static_cast<int>(hpo::usable_cores().size());
  return std::max(1, cores / config.executor.parallel);
}

hpo::TrialStep training(const TuneConfig& config, const fs::path& jetcal, const hpo::Trial& trial,
                        const hpo::TrialPlace& place) {
  // Parsed anew: copies of a Config share what set() changes.
  Config run = Config::parse(config.train->dump(), config.train->source());
  for (const auto& [name, value] : trial.values) {
    const std::string field = field_of(name, config.fields);
    if (std::holds_alternative<std::string>(value)) {
      run.set_text(field, hpo::to_string(value));
    } else {
      run.set(field, hpo::to_string(value));
    }
  }
  const fs::path file = place.folder / "config.yaml";
  const std::string text = run.dump() + "\n";
  if (!fs::exists(file) || read_file(file) != text) write_file(file, text);
  hpo::TrialStep step;
  step.label = "train";
  step.arguments = {jetcal.string(), "train",
                    "--config",      file.string(),
                    "--output",      (place.folder / "run").string(),
                    "--threads",     std::to_string(threads_of(config, place))};
  const auto epochs = run.get<std::int64_t>("training.epochs", 50);
  if (place.budget > 0 && place.budget < epochs) {
    step.arguments.emplace_back("--pause-after");
    step.arguments.push_back(std::to_string(place.budget));
  }
  step.metrics = place.folder / "run" / "metrics.txt";
  return step;
}

hpo::Substitutions substitutions(const TuneConfig& config, const fs::path& jetcal,
                                 const hpo::Trial& trial, const hpo::TrialPlace& place) {
  hpo::Substitutions values;
  for (const hpo::Parameter& parameter : config.study.space.parameters())
    values[parameter.name] = "";  // does not exist in this trial unless it follows
  for (const auto& [name, value] : trial.values) values[name] = hpo::to_string(value);
  std::string gpus;
  for (const std::string& gpu : place.share.gpus) gpus += (gpus.empty() ? "" : ",") + gpu;
  values["folder"] = place.folder.string();
  values["trial"] = std::to_string(trial.number);
  values["attempt"] = std::to_string(place.attempt);
  values["budget"] = std::to_string(place.budget);
  values["threads"] = std::to_string(threads_of(config, place));
  values["gpus"] = gpus;
  values["jetcal"] = jetcal.string();
  return values;
}

hpo::TrialStep command(const TrialCommand& template_, const hpo::Substitutions& values,
                       const fs::path& folder) {
  hpo::TrialStep step;
  if (!template_.shell.empty()) {
    hpo::Substitutions quoted = values;
    for (auto& [name, value] : quoted) value = hpo::shell_quoted(value);
    step.arguments = {"/bin/sh", "-c", hpo::substitute(template_.shell, quoted)};
  }
  for (const std::string& argument : template_.arguments)
    step.arguments.push_back(hpo::substitute(argument, values));
  // operator/ keeps an absolute path as it is.
  if (!template_.metrics.empty())
    step.metrics = folder / hpo::substitute(template_.metrics, values);
  step.format = template_.json ? hpo::MetricsFile::Format::Json : hpo::MetricsFile::Format::Text;
  step.names = template_.names;
  step.environment["OMP_NUM_THREADS"] = values.at("threads");
  return step;
}

std::set<std::string> names_in(const TrialCommand& command) {
  std::set<std::string> names = hpo::names_in(command.shell + " " + command.metrics);
  for (const std::string& argument : command.arguments) names.merge(hpo::names_in(argument));
  return names;
}

// Everything that would fail in the first trial already.
void check(const TuneConfig& config, const std::set<std::string>& known) {
  if (config.train) {
    for (const hpo::Parameter& parameter : config.study.space.parameters())
      field_of(parameter.name, config.fields);
  }
  std::vector<TrialCommand> commands = config.measure;
  if (config.command) commands.push_back(*config.command);
  for (const TrialCommand& each : commands) {
    for (const std::string& name : names_in(each)) {
      if (!known.contains(name) && config.study.space.find(name) == nullptr) {
        fail(ErrorCode::InvalidArgument, "the template '",
             each.shell.empty() ? each.arguments.front() : each.shell, "' asks for ${", name,
             "}, which is neither a parameter nor known");
      }
    }
  }
  if (!config.command) return;
  const std::set<std::string> names = names_in(*config.command);
  for (const hpo::Parameter& parameter : config.study.space.parameters()) {
    if (!names.contains(parameter.name)) {
      fail(ErrorCode::InvalidArgument, "trial.command does not use the parameter '", parameter.name,
           "': write ${", parameter.name, "} where its value belongs");
    }
  }
}

}  // namespace

// Names of the search spaces are those of the training configuration, without their section.
std::string field_of(const std::string& parameter,
                     const std::map<std::string, std::string>& given) {
  const auto field = given.find(parameter);
  if (field != given.end()) return field->second;
  if (parameter.find('.') != std::string::npos) return parameter;
  if (std::ranges::find(kModelFields, parameter) != kModelFields.end()) return "model." + parameter;
  if (std::ranges::find(kTrainingFields, parameter) != kTrainingFields.end())
    return "training." + parameter;
  fail(ErrorCode::InvalidArgument, "the parameter '", parameter,
       "' is no field of jetcal train: name one in trial.fields");
}

hpo::TrialProgram make_trial_program(const TuneConfig& config, const fs::path& jetcal) {
  check(config, {"folder", "trial", "attempt", "budget", "threads", "gpus", "jetcal"});
  return [config, jetcal](const hpo::Trial& trial, const hpo::TrialPlace& place) {
    const hpo::Substitutions values = substitutions(config, jetcal, trial, place);
    std::vector<hpo::TrialStep> steps;
    steps.push_back(config.train ? training(config, jetcal, trial, place)
                                 : command(*config.command, values, place.folder));
    for (std::size_t i = 0; i < config.measure.size(); ++i) {
      hpo::TrialStep step = command(config.measure[i], values, place.folder);
      step.label = "measure-" + std::to_string(i + 1);
      steps.push_back(std::move(step));
    }
    return steps;
  };
}

bool knows_budget(const TuneConfig& config) {
  return config.train.has_value() || names_in(*config.command).contains("budget");
}

}  // namespace jetcal::cli
