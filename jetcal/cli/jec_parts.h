// SPDX-License-Identifier: Apache-2.0
// The sub-verbs of `jetcal jec`; each adds itself to the verb and is run when it was given.
#pragma once

#include <functional>
#include <string>

#include "jetcal/cli/verb.h"

namespace jetcal::cli {

/// A sub-verb: its flags, and what runs it.
struct JecPart {
  CLI::App* app = nullptr;
  std::function<int()> run;
};

JecPart add_jec_evaluate(CLI::App& jec, CommonOptions& common);
JecPart add_jec_list(CLI::App& jec, CommonOptions& common);
JecPart add_jec_apply(CLI::App& jec, CommonOptions& common);

}  // namespace jetcal::cli
