// SPDX-License-Identifier: Apache-2.0
// The sub-verbs of `jetcal tune`; each adds itself to the verb and is run when it was given.
#pragma once

#include <functional>

#include "jetcal/cli/verb.h"

namespace jetcal::cli {

/// A sub-verb: its flags, and what runs it.
struct TunePart {
  CLI::App* app = nullptr;
  std::function<int()> run;
};

TunePart add_tune_lint(CLI::App& tune, CommonOptions& common);
TunePart add_tune_report(CLI::App& tune, CommonOptions& common);
TunePart add_tune_status(CLI::App& tune, CommonOptions& common);
TunePart add_tune_enqueue(CLI::App& tune, CommonOptions& common);
TunePart add_tune_export(CLI::App& tune, CommonOptions& common);
TunePart add_tune_import(CLI::App& tune, CommonOptions& common);

/// `jetcal tune` without a sub-verb: adds the flags of a study to the verb itself.
std::function<int()> add_tune_run(CLI::App& tune, CommonOptions& common);

}  // namespace jetcal::cli
