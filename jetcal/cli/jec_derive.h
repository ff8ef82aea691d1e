// SPDX-License-Identifier: Apache-2.0
// The parts of jetcal jec that derive corrections and measure their closure.
#pragma once

#include <functional>

#include "jetcal/cli/verb.h"

namespace jetcal::cli {

/// A part of a verb and what runs it when it was parsed.
struct Subcommand {
  CLI::App* app;
  std::function<int()> run;
};

/// Adds `derive` to the verb jec.
Subcommand add_jec_derive(CLI::App& jec, const CommonOptions& common);
/// Adds `closure` to the verb jec. Its exit status is 7 when a target is missed.
Subcommand add_jec_closure(CLI::App& jec, const CommonOptions& common);

}  // namespace jetcal::cli
