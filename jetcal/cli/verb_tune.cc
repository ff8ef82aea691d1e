// SPDX-License-Identifier: Apache-2.0
// jetcal tune: a search for hyperparameters, run, looked at, and exchanged with other tools.
#include <vector>

#include "jetcal/cli/tune_parts.h"

namespace jetcal::cli {

namespace {

std::function<int()> set_up(CLI::App& app, CommonOptions& common) {
  app.require_subcommand(1);
  const std::vector<TunePart> parts{
      add_tune_report(app, common),
  };
  return [parts] {
    for (const TunePart& part : parts)
      if (part.app->parsed()) return part.run();
    return 2;
  };
}

}  // namespace

Verb make_tune_verb() { return {"tune", "Reports on searches for hyperparameters.", set_up}; }

}  // namespace jetcal::cli
