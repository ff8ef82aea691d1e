// SPDX-License-Identifier: Apache-2.0
// What the configuration file of `jetcal tune` says.
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "jetcal/base/config.h"
#include "jetcal/hpo/executor.h"
#include "jetcal/hpo/katib_experiment.h"
#include "jetcal/hpo/study.h"

namespace jetcal::cli {

/// A command of a trial, and where its metrics are.
struct TrialCommand {
  std::string shell;                   ///< For sh -c; or else
  std::vector<std::string> arguments;  ///< a program with its arguments.
  std::string metrics;                 ///< File, by template; empty: its standard output.
  bool json = false;
  std::map<std::string, std::string> names;  ///< Printed -> ours; empty: all.
};

/// A whole configuration.
struct TuneConfig {
  hpo::StudyDefinition study;
  hpo::ExecutorOptions executor;
  std::filesystem::path study_file;           ///< OUTPUT/study.db unless given.
  std::optional<Config> train;                ///< Of trials that are runs of jetcal train.
  std::optional<TrialCommand> command;        ///< Of others.
  std::map<std::string, std::string> fields;  ///< Parameter -> field of the training configuration.
  std::vector<TrialCommand> measure;          ///< Run after a trial is complete.
  int threads = 0;
  hpo::KatibOptions katib;  ///< For --emit katib.
  std::string checkpoints;  ///< Folder on a volume there, for trials that go on; may be empty.
};

/// Tells whether a field at the top is a mapping.
bool is_mapping(const Config& config, const std::string& name);

/// Reads everything but flags. Throws InvalidArgument naming file and field.
hpo::StudyDefinition read_study(const Config& config);
TuneConfig read_tune_config(const Config& config);

/// Makes the programs of trials. `jetcal` is this program's path.
hpo::TrialProgram make_trial_program(const TuneConfig& config, const std::filesystem::path& jetcal);

/// Field of the training configuration that a parameter sets, by `given` or by its own name. Throws
/// InvalidArgument naming the parameter.
std::string field_of(const std::string& parameter, const std::map<std::string, std::string>& given);

/// Reads the section `katib` of the configuration.
void read_katib(const Config& config, TuneConfig& tune);
/// The study as an Experiment of Katib, in YAML. Throws as hpo::katib_experiment.
std::string katib_manifest(const TuneConfig& config);

/// Tells whether the program of a trial ends by itself at its budget.
bool knows_budget(const TuneConfig& config);

}  // namespace jetcal::cli
