// SPDX-License-Identifier: Apache-2.0
// What every verb shares: options, error reporting, JSON output.
#pragma once

#include <CLI/CLI.hpp>
#include <functional>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>

#include "jetcal/base/config.h"
#include "jetcal/base/error.h"

namespace jetcal::cli {

/// Flags that every verb takes.
struct CommonOptions {
  std::string config_path;  ///< --config FILE.yaml
  bool json = false;        ///< --json: one JSON document on standard output
  int threads = 0;          ///< --threads N; 0 means every core
};

/// Whether a flag is one of those, "--config" for example.
bool is_common_flag(std::string_view flag) noexcept;

/// A verb: it adds its flags to `app`, and runs after they are parsed. Built by functions such as
/// make_ingest_verb().
struct Verb {
  std::string name;
  std::string description;
  /// Adds the verb's flags; the returned function does the work, prints its result and returns the
  /// exit status.
  std::function<std::function<int()>(CLI::App& app, CommonOptions& common)> set_up;
};

/// Runs one verb: parses argv (argv[0] is the program, argv[1] the verb), sets up logging, signals
/// and threads, and turns an Error into one line on standard error and a non-zero exit status.
int run_verb(const Verb& verb, int argc, char** argv);

/// Loads --config, or returns an empty Config when the flag is not given.
Config load_config(const CommonOptions& common);

/// Replaces `value` by the field `name` of the configuration unless the flag --name was given.
template <typename T>
void fill_from_config(const CLI::App& app, const Config& config, const std::string& name,
                      T& value) {
  std::string field = name;
  for (char& letter : field) letter = letter == '-' ? '_' : letter;
  const T configured = config.get(field, value);
  if (app.count("--" + name) == 0) value = configured;
}

/// Prints the document on standard output, indented by two, with a newline.
void print_json(const nlohmann::ordered_json& document);

/// Exit statuses: 0 done, 1 internal, 2 bad input or flags, 3 missing file or model, 4 corrupt
/// data, 5 disk or memory full, 6 cannot be done in this state or build, 7 a number missed its
/// target, 130 stopped by a signal.
int exit_status(ErrorCode code) noexcept;
inline constexpr int kTargetsMissed = 7;

// The verbs; each lives in verb_<name>.cc. The programs of CMakeLists.txt choose which they hold.
Verb make_analyze_verb();
Verb make_bench_verb();
Verb make_board_verb();
Verb make_client_verb();
Verb make_doctor_verb();
Verb make_export_verb();
Verb make_ingest_verb();
Verb make_jec_verb();
Verb make_loadgen_verb();
Verb make_model_verb();
Verb make_pipeline_verb();
Verb make_predict_verb();
Verb make_serve_verb();
Verb make_simulate_verb();
Verb make_store_verb();
Verb make_train_verb();
Verb make_suggest_verb();
Verb make_tune_verb();
Verb make_training_bench_verb();  ///< The part of `bench` that needs libtorch.

}  // namespace jetcal::cli
