// SPDX-License-Identifier: Apache-2.0
// jetcal jec evaluate: one factor for every row of a table.
#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <memory>

#include "jetcal/base/files.h"
#include "jetcal/cli/column_file.h"
#include "jetcal/cli/jec_parts.h"
#include "jetcal/jec/jet_corrector.h"

namespace jetcal::cli {

namespace {

using Json = nlohmann::ordered_json;

struct EvaluateOptions {
  std::vector<std::string> correction, text;
  std::string name, input;
  bool levels = false;
};

// Names that stand for others, so that the columns of either are read.
std::vector<std::string> with_aliases(std::vector<std::string> names) {
  for (const auto& [name, other] : {std::pair{"JetAbsEta", "JetEta"}, std::pair{"JetArea", "JetA"},
                                    std::pair{"JetA", "JetArea"}}) {
    if (std::find(names.begin(), names.end(), name) != names.end() &&
        std::find(names.begin(), names.end(), other) == names.end())
      names.emplace_back(other);
  }
  return names;
}

void set_texts(const EvaluateOptions& options, ColumnFile& columns) {
  for (const std::string& setting : options.text) {
    const std::size_t equals = setting.find('=');
    if (equals == std::string::npos)
      fail(ErrorCode::InvalidArgument, "--text wants NAME=VALUE, got '", setting, "'");
    columns.texts[setting.substr(0, equals)] = {setting.substr(equals + 1)};
  }
}

// What is wrong with a row is said with the file it stands in.
jec::OutsideRows evaluate(const jec::JetCorrector& corrector, const EvaluateOptions& options,
                          std::size_t levels, const ColumnFile& columns,
                          std::vector<double>& factors) {
  jec::JetTable table;
  table.rows = columns.rows;
  for (const auto& [name, values] : columns.numbers) table.columns[name] = values;
  for (const auto& [name, values] : columns.texts) table.texts[name] = values;
  factors.resize(static_cast<std::size_t>(columns.rows));
  try {
    return corrector.factors_up_to(levels, table, factors);
  } catch (const Error& error) {
    fail(error.code(), options.input, ": ", error.what());
  }
}

Json report_json(const jec::JetCorrector& corrector, const EvaluateOptions& options,
                 const std::vector<double>& factors, const jec::OutsideRows& outside) {
  Json levels = Json::array();
  for (std::size_t i = 0; i < corrector.num_levels(); ++i)
    levels.push_back(corrector.level_name(i));
  const auto not_finite = std::count_if(factors.begin(), factors.end(),
                                        [](double factor) { return !std::isfinite(factor); });
  return {{"correction", options.correction},
          {"name", options.name},
          {"levels", std::move(levels)},
          {"inputs", corrector.inputs()},
          {"text_inputs", corrector.text_inputs()},
          {"input", options.input},
          {"rows", factors.size()},
          {"outside_bins",
           {{"rows", outside.count}, {"first_row", outside.first_row}, {"file", outside.where}}},
          {"not_finite", not_finite},
          {"factors", factors}};
}

Json level_factors(const jec::JetCorrector& corrector, const EvaluateOptions& options,
                   const ColumnFile& columns) {
  Json json = Json::object();
  std::vector<double> factors;
  for (std::size_t i = 0; i < corrector.num_levels(); ++i) {
    evaluate(corrector, options, i + 1, columns, factors);
    // CMS's L2L3Residual calls itself L2Relative, too: the second one becomes "L2Relative (2)".
    std::string name = corrector.level_name(i);
    for (int k = 2; json.contains(name); ++k)
      name = fmt::format("{} ({})", corrector.level_name(i), k);
    json[name] = factors;
  }
  return json;
}

int run_evaluate(const EvaluateOptions& options, bool json) {
  if (options.correction.empty())
    fail(ErrorCode::InvalidArgument, "the correction is missing: give --correction FILE...");
  if (options.input.empty())
    fail(ErrorCode::InvalidArgument, "the input is missing: give --input COLUMNS.csv");
  const std::vector<std::filesystem::path> files(options.correction.begin(),
                                                 options.correction.end());
  const jec::JetCorrector corrector = jec::JetCorrector::open(files, options.name);
  ColumnFile columns =
      read_columns(options.input, with_aliases(corrector.inputs()), corrector.text_inputs());
  set_texts(options, columns);
  std::vector<double> factors;
  const jec::OutsideRows outside =
      evaluate(corrector, options, corrector.num_levels(), columns, factors);
  if (outside.count > 0) {
    fmt::print(stderr,
               "jetcal jec: {} times a row lies outside every bin, first row {} of {} in {}; it "
               "gets the value that CMSSW gives there\n",
               outside.count, outside.first_row, options.input, outside.where);
  }
  if (!json) {
    for (const double factor : factors) fmt::print("{:.10g}\n", factor);
    return 0;
  }
  Json report = report_json(corrector, options, factors, outside);
  if (options.levels) report["factors_up_to"] = level_factors(corrector, options, columns);
  print_json(report);
  return 0;
}

}  // namespace

JecPart add_jec_evaluate(CLI::App& jec, CommonOptions& common) {
  CLI::App* const app =
      jec.add_subcommand("evaluate", "print one factor for every row of a table")->fallthrough();
  const auto options = std::make_shared<EvaluateOptions>();  // shared: std::function copies
  app->add_option("--correction", options->correction,
                  "text files in the order in which they are applied, or one correctionlib JSON");
  app->add_option("--name", options->name,
                  "correction of a JSON; section or [section:]nominal|up|down of a text file");
  app->add_option("--input", options->input,
                  "CSV or Parquet with columns JetPt (raw), JetEta, JetA, Rho, ...");
  app->add_option("--text", options->text, "NAME=VALUE of a text input, e.g. systematic=nom");
  app->add_flag("--levels", options->levels, "JSON: also the factors up to each level");
  return {app, [app, options, &common] {
            const Config config = load_config(common);
            EvaluateOptions filled = *options;
            fill_from_config(*app, config, "correction", filled.correction);
            fill_from_config(*app, config, "name", filled.name);
            fill_from_config(*app, config, "input", filled.input);
            fill_from_config(*app, config, "text", filled.text);
            fill_from_config(*app, config, "levels", filled.levels);
            config.reject_unknown();
            return run_evaluate(filled, common.json);
          }};
}

}  // namespace jetcal::cli
