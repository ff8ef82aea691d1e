// SPDX-License-Identifier: Apache-2.0
// jetcal tune report: numbers, figures and a page of a study or a table of trials.
#include <fmt/format.h>

#include <memory>

#include "jetcal/cli/tune_parts.h"
#include "jetcal/hpo/importance.h"
#include "jetcal/hpo/report_page.h"
#include "jetcal/hpo/study_numbers.h"
#include "jetcal/hpo/study_table.h"

namespace jetcal::cli {

namespace {

using Json = nlohmann::ordered_json;

struct ReportFlags {
  std::string from, output;
  hpo::TableOptions table;
  std::size_t best = 10;
};

void read_fields(const CLI::App& app, const CommonOptions& common, ReportFlags& flags) {
  const Config config = load_config(common);
  fill_from_config(app, config, "from", flags.from);
  fill_from_config(app, config, "output", flags.output);
  fill_from_config(app, config, "metric", flags.table.objective);
  fill_from_config(app, config, "metrics", flags.table.metrics);
  fill_from_config(app, config, "parameters", flags.table.parameters);
  fill_from_config(app, config, "maximise", flags.table.maximise);
  fill_from_config(app, config, "best", flags.best);
  config.reject_unknown();
  if (flags.from.empty())
    fail(ErrorCode::InvalidArgument, "give --from STUDY.db or TRIALS.csv to report on");
}

Json importance_json(const hpo::TrialTable& table, const hpo::StudyNumbers& numbers) {
  const hpo::Importance importance = hpo::fanova(table, numbers.metric);
  return {{"fanova", importance.single},
          {"fanova_pairs", importance.pairs},
          {"fanova_rest", importance.rest},
          {"fanova_out_of_bag_r2", importance.out_of_bag},
          {"ped_anova", hpo::ped_anova(table, numbers.metric, numbers.maximise)}};
}

void print_importance(const Json& importance) {
  fmt::print("\n{:<24} {:>8} {:>10}\n", "importance", "fANOVA", "PED-ANOVA");
  for (const auto& [name, part] : importance["fanova"].items()) {
    fmt::print("{:<24} {:>8.3f} {:>10.3f}\n", name, part.get<double>(),
               importance["ped_anova"].value(name, 0.0));
  }
  fmt::print("the forest explains {:.2f} of the variance among trials it has not seen\n",
             importance["fanova_out_of_bag_r2"].get<double>());
}

int run_report(const CLI::App& app, ReportFlags flags, const CommonOptions& common) {
  read_fields(app, common, flags);
  const hpo::TrialTable table = hpo::read_trial_table(flags.from, flags.table);
  const hpo::StudyNumbers numbers = hpo::study_numbers(table, flags.best);
  Json document = hpo::to_json(numbers, table);
  constexpr std::size_t kFewestForImportance = 4;
  if (numbers.counted >= kFewestForImportance)
    document["importance"] = importance_json(table, numbers);
  if (!flags.output.empty()) hpo::write_report(table, document, flags.output);
  if (common.json) {
    if (!flags.output.empty()) document["output"] = flags.output;
    print_json(document);
    return 0;
  }
  fmt::print("{}", hpo::to_text(numbers, table));
  if (document.contains("importance")) print_importance(document["importance"]);
  if (!flags.output.empty())
    fmt::print("\nindex.html, report.json and trials.csv are in {}\n", flags.output);
  return 0;
}

}  // namespace

TunePart add_tune_report(CLI::App& tune, CommonOptions& common) {
  CLI::App* const report =
      tune.add_subcommand("report", "numbers of a study or a table of trials")->fallthrough();
  auto flags = std::make_shared<ReportFlags>();  // shared: outlives this set-up
  report->add_option("--from", flags->from, "study file, or CSV of Katib, Optuna or your own");
  report->add_option("--output", flags->output,
                     "folder for index.html with all figures, report.json and trials.csv");
  report->add_option("--metric", flags->table.objective,
                     "metric to judge by [the study's, or avg loss, test loss, ...]");
  report->add_flag("--maximise", flags->table.maximise, "more of the metric is better (CSV)");
  report->add_option("--metrics", flags->table.metrics, "columns that are metrics (CSV)")
      ->delimiter(',');
  report
      ->add_option("--parameters", flags->table.parameters,
                   "columns that are parameters (CSV) [all that are no metrics]")
      ->delimiter(',');
  report->add_option("--best", flags->best, "best trials to list [10]");
  return {report, [report, &common, flags] { return run_report(*report, *flags, common); }};
}

}  // namespace jetcal::cli
