// SPDX-License-Identifier: Apache-2.0
// jetcal tune: a search for hyperparameters, run, looked at, and exchanged with other tools.
#include <vector>

#include "jetcal/cli/tune_ask_tell.h"
#include "jetcal/cli/tune_parts.h"

namespace jetcal::cli {

namespace {

// Sub-verbs let flags that they lack fall through to the verb, for --json and its like.
void refuse_flags_of_search(const CLI::App& tune, const std::string& part) {
  for (const CLI::Option* option : tune.get_options()) {
    const std::string name = option->get_name();
    if (option->count() > 0 && !is_common_flag(name))
      fail(ErrorCode::InvalidArgument, name, " is a flag of the search itself, not of tune ", part);
  }
}

std::function<int()> set_up(CLI::App& app, CommonOptions& common) {
  app.require_subcommand(0, 1);
  const std::function<int()> run = add_tune_run(app, common);
  CLI::App* const ask_tell =
      app.add_subcommand("ask-tell", "answer requests for trials, one JSON document a line")
          ->fallthrough();
  const std::vector<TunePart> parts{
      {ask_tell, add_ask_tell(*ask_tell, common)},
      add_tune_status(app, common),
      add_tune_report(app, common),
      add_tune_enqueue(app, common),
      add_tune_export(app, common),
      add_tune_import(app, common),
      add_tune_lint(app, common),
  };
  return [&app, parts, run] {
    for (const TunePart& part : parts) {
      if (!part.app->parsed()) continue;
      refuse_flags_of_search(app, part.app->get_name());
      return part.run();
    }
    return run();
  };
}

}  // namespace

Verb make_tune_verb() {
  return {"tune",
          "Searches for hyperparameters: runs the trials of a study, or goes on with them after "
          "any interruption.",
          set_up};
}

}  // namespace jetcal::cli
