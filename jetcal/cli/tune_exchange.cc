// SPDX-License-Identifier: Apache-2.0
// jetcal tune export, import, enqueue: studies of and for other tools, trials chosen by hand.
#include <fmt/format.h>

#include <filesystem>
#include <iostream>
#include <memory>
#include <optional>
#include <string>

#include "jetcal/base/files.h"
#include "jetcal/cli/tune_config.h"
#include "jetcal/cli/tune_parts.h"
#include "jetcal/hpo/exchange.h"

namespace jetcal::cli {

namespace fs = std::filesystem;
using Json = nlohmann::ordered_json;

namespace {

// By the name of the file, where nobody says.
std::string format_of(const std::string& given, const std::string& file) {
  if (!given.empty()) return given;
  const std::string extension = fs::path(file).extension().string();
  if (extension == ".csv") return "csv";
  if (extension == ".json") return "json";
  if (extension == ".log" || extension == ".journal" || extension == ".jsonl") return "optuna";
  fail(ErrorCode::InvalidArgument, "the format of ", file,
       " does not follow from its name: give --format csv, json or optuna");
}

std::string exported(const hpo::StudyStore& store, const std::string& format) {
  if (format == "csv") return hpo::format_trial_csv(hpo::table_of(store));
  if (format == "json") return hpo::to_json(store).dump(2) + "\n";
  if (format == "optuna") return hpo::to_optuna_journal(store);
  fail(ErrorCode::InvalidArgument, "there is no format '", format,
       "'; there are csv, json and optuna");
}

int run_export(const std::string& study, const std::string& file, const std::string& format,
               const CommonOptions& common) {
  load_config(common).reject_unknown();  // export has no fields of its own
  const hpo::StudyStore store = hpo::StudyStore::read(study);
  const std::string text = exported(store, format_of(format, file));
  if (file == "-") {
    std::cout << text;
    return 0;
  }
  write_file(file, text);
  if (common.json) {
    print_json({{"study", study}, {"file", file}, {"trials", store.history().trials.size()}});
  } else {
    fmt::print("{}: {} trials\n", file, store.history().trials.size());
  }
  return 0;
}

struct ImportFlags {
  std::string file, study, format, name, space, metric;
  bool maximise = false;
};

// What --config or --space say a study is; nothing where neither is given.
std::optional<hpo::StudyDefinition> definition_of(const ImportFlags& flags,
                                                  const CommonOptions& common) {
  if (!common.config_path.empty()) return read_study(load_config(common));
  if (flags.space.empty()) return std::nullopt;
  hpo::StudyDefinition definition;
  definition.name = fs::path(flags.file).stem().string();
  definition.space = hpo::SearchSpace::preset(flags.space);
  return definition;
}

// What is wrong with a file is said with its name.
template <typename Read>
auto naming(const std::string& file, const Read& read) {
  try {
    return read();
  } catch (const Error& error) {
    fail(error.code(), file, ": ", error.what());
  }
}

// A study in JSON or in a journal says itself what it is; a table has no name.
void refuse_idle_flags(const ImportFlags& flags, const CommonOptions& common, bool table) {
  const bool config = !common.config_path.empty();
  if (!table && (config || flags.maximise || !flags.space.empty() || !flags.metric.empty())) {
    fail(ErrorCode::InvalidArgument, "--config, --space, --metric and --maximise say what a table ",
         "is; ", flags.file, " is none");
  }
  if (table && !flags.name.empty())
    fail(ErrorCode::InvalidArgument, "--name chooses a study of a journal; ", flags.file,
         " is a table");
  if (config && !flags.space.empty())
    fail(ErrorCode::InvalidArgument,
         "--space and --config both say what the parameters are: ", "give one of them");
}

hpo::ImportedStudy read_foreign(const ImportFlags& flags, const CommonOptions& common) {
  const std::string format = format_of(flags.format, flags.file);
  refuse_idle_flags(flags, common, format == "csv" || format == "katib");
  if (format == "json") {
    const std::string text = read_file(flags.file);
    const Json json = Json::parse(text, nullptr, /*allow_exceptions=*/false);
    if (json.is_discarded()) fail(ErrorCode::DataLoss, flags.file, " is no JSON");
    return naming(flags.file, [&] { return hpo::from_json(json); });
  }
  if (format == "optuna") {
    const std::string text = read_file(flags.file);
    return naming(flags.file, [&] { return hpo::from_optuna_journal(text, flags.name); });
  }
  if (format != "csv" && format != "katib") {
    fail(ErrorCode::InvalidArgument, "there is no format '", format,
         "'; there are csv, katib, json and optuna");
  }
  std::optional<hpo::StudyDefinition> definition = definition_of(flags, common);
  hpo::TableOptions options;
  options.objective = flags.metric;
  options.maximise = flags.maximise;
  if (definition) {
    for (const hpo::Objective& objective : definition->objectives)
      options.also_metrics.push_back(objective.metric);
    for (const hpo::Constraint& constraint : definition->constraints)
      options.also_metrics.push_back(constraint.metric);
  }
  const hpo::TrialTable table = hpo::read_trial_csv(flags.file, options);
  if (definition && definition->objectives.empty()) definition->objectives = table.objectives;
  return hpo::from_table(table, definition);
}

// The file appears with all its trials, or not at all.
void make_study(const hpo::ImportedStudy& study, const ImportFlags& flags) {
  for (std::size_t i = 0; i < study.trials.size(); ++i) {
    naming(flags.file + ": trial " + std::to_string(i),
           [&] { study.definition.space.check(study.trials[i].values); });
  }
  PartialFile part(flags.study);
  for (const char* const left : {"", "-wal", "-shm"}) fs::remove(part.path().string() + left);
  {
    hpo::StudyStore store = hpo::StudyStore::create(part.path(), study.definition);
    store.add(study.trials, study.records);
  }
  part.commit();
}

int run_import(const ImportFlags& flags, const CommonOptions& common) {
  hpo::ImportedStudy study = read_foreign(flags, common);
  // As many as there are: going on with it is asked for with --trials.
  study.definition.limits.trials =
      std::max<std::int64_t>(study.definition.limits.trials, std::ssize(study.trials));
  if (fs::exists(flags.study)) {
    fail(ErrorCode::AlreadyExists, flags.study, " is there already: import into a new file");
  }
  make_study(study, flags);
  for (const std::string& note : study.notes) std::fprintf(stderr, "%s\n", note.c_str());
  if (common.json) {
    print_json({{"study", flags.study},
                {"file", flags.file},
                {"trials", study.trials.size()},
                {"notes", study.notes}});
  } else {
    fmt::print("{}: {} trials\n", flags.study, study.trials.size());
  }
  return 0;
}

int run_enqueue(const std::string& study, const std::vector<std::string>& values,
                const CommonOptions& common) {
  load_config(common).reject_unknown();  // enqueue has no fields of its own
  hpo::StudyStore store = hpo::StudyStore::open(study);
  hpo::Trial trial;
  for (const std::string& text : values) {
    const std::size_t equal = text.find('=');
    const std::string name = text.substr(0, equal);
    const hpo::Parameter* const parameter = store.definition().space.find(name);
    if (equal == std::string::npos || parameter == nullptr) {
      fail(ErrorCode::InvalidArgument, "'", text, "' is not NAME=VALUE of a parameter of ", study);
    }
    trial.values[name] = hpo::parse_value(*parameter, text.substr(equal + 1));
  }
  const std::int64_t number = store.add({trial}, {});
  if (common.json) {
    print_json({{"study", study}, {"trial", number}});
  } else {
    fmt::print("trial {} waits for a tuner\n", number);
  }
  return 0;
}

}  // namespace

TunePart add_tune_export(CLI::App& tune, CommonOptions& common) {
  CLI::App* const app =
      tune.add_subcommand("export", "write a study as CSV, JSON or Optuna's journal")
          ->fallthrough();
  struct Flags {
    std::string study, file, format;
  };
  const auto flags = std::make_shared<Flags>();  // outlives this call, with the app
  app->add_option("STUDY", flags->study, "study file")->required();
  app->add_option("FILE", flags->file, "file to write; - for standard output")->required();
  app->add_option("--format", flags->format, "csv, json or optuna; default: by the file's name");
  return {app, [flags, &common] {
            return run_export(flags->study, flags->file, flags->format, common);
          }};
}

TunePart add_tune_import(CLI::App& tune, CommonOptions& common) {
  CLI::App* const app =
      tune.add_subcommand("import", "make a study of a table, JSON or Optuna's journal")
          ->fallthrough();
  const auto flags = std::make_shared<ImportFlags>();  // outlives this call, with the app
  app->add_option("FILE", flags->file, "file to read")->required();
  app->add_option("STUDY", flags->study, "study file to make")->required();
  app->add_option("--format", flags->format,
                  "csv, katib, json or optuna; default: by the file's name");
  app->add_option("--name", flags->name, "study of the journal, where it has several");
  app->add_option("--space", flags->space,
                  "of a table: paper-pfn or paper-particlenet; default: guessed");
  app->add_option("--metric", flags->metric, "of a table: the column to make better");
  app->add_flag("--maximise", flags->maximise, "of a table: more is better");
  return {app, [flags, &common] { return run_import(*flags, common); }};
}

TunePart add_tune_enqueue(CLI::App& tune, CommonOptions& common) {
  CLI::App* const app =
      tune.add_subcommand("enqueue", "add a trial with values of your own to a study")
          ->fallthrough();
  struct Flags {
    std::string study;
    std::vector<std::string> values;
  };
  const auto flags = std::make_shared<Flags>();  // outlives this call, with the app
  app->add_option("STUDY", flags->study, "study file")->required();
  app->add_option("NAME=VALUE", flags->values, "a value of each parameter")->required();
  return {app, [flags, &common] { return run_enqueue(flags->study, flags->values, common); }};
}

}  // namespace jetcal::cli
