// SPDX-License-Identifier: Apache-2.0
// jetcal analyze: response, resolution and flavor dependence of corrected jets, as numbers, tables
// and figures.
#include <fmt/format.h>

#include <cmath>
#include <filesystem>

#include "jetcal/analysis/report.h"
#include "jetcal/analysis/tables.h"
#include "jetcal/base/files.h"
#include "jetcal/base/progress.h"
#include "jetcal/cli/corrector_spec.h"
#include "jetcal/cli/crash_report.h"
#include "jetcal/cli/jet_collector.h"
#include "jetcal/cli/verb.h"
#include "jetcal/data/dataset.h"
#include "jetcal/data/root_jet_reader.h"

namespace jetcal::cli {

namespace {

using Json = nlohmann::ordered_json;

constexpr std::int64_t kChunkEntries = 4096;
constexpr std::size_t kModelsInOneTable = 3;  // alpha and beta side by side on a terminal
constexpr const char* kBaselineName = "Standard";
constexpr const char* kDefaultLabel = "anti-#it{k}_{T} #it{R} = 0.4";

/// The flags as given; a flag that was not given leaves the configuration's value alone.
struct AnalyzeFlags {
  std::string input, split = "test", tree, output, label = kDefaultLabel;
  std::vector<std::string> correctors;
  int bootstrap = 200, min_jets = 30;
  std::uint64_t seed = 1;
  double reco_threshold = 0;
};

struct AnalyzeOptions {
  std::string input, tree;
  data::Split split = data::Split::Test;
  bool split_given = false;
  std::vector<CorrectorSpec> correctors;
  std::string output;
  std::string label;
  analysis::AnalysisOptions analysis;
};

AnalyzeOptions make_options(const CLI::App& app, AnalyzeFlags flags, const Config& config) {
  fill_from_config(app, config, "input", flags.input);
  fill_from_config(app, config, "split", flags.split);
  fill_from_config(app, config, "tree", flags.tree);
  fill_from_config(app, config, "output", flags.output);
  fill_from_config(app, config, "label", flags.label);
  fill_from_config(app, config, "corrector", flags.correctors);
  fill_from_config(app, config, "bootstrap", flags.bootstrap);
  fill_from_config(app, config, "min-jets", flags.min_jets);
  fill_from_config(app, config, "seed", flags.seed);
  fill_from_config(app, config, "reco-threshold", flags.reco_threshold);
  const bool split_given = app.count("--split") > 0 || config.has("split");
  const bool threshold_given = app.count("--reco-threshold") > 0 || config.has("reco_threshold");
  config.reject_unknown();
  if (threshold_given && !(flags.reco_threshold >= 0 && std::isfinite(flags.reco_threshold)))
    fail(ErrorCode::InvalidArgument, "reco_threshold must be at least 0, got ",
         flags.reco_threshold);
  if (flags.input.empty())
    fail(ErrorCode::InvalidArgument, "the input is missing: give --input SHARDS_DIR or FILE.root");
  if (flags.output.empty())
    fail(ErrorCode::InvalidArgument, "the output folder is missing: give --output DIR");

  AnalyzeOptions options;
  options.input = flags.input;
  options.tree = flags.tree;
  options.split = data::parse_split(flags.split);
  options.split_given = split_given;
  options.correctors = parse_correctors(flags.correctors, kBaselineName);
  options.output = flags.output;
  options.label = flags.label;
  options.analysis.resamplings = flags.bootstrap;
  options.analysis.seed = flags.seed;
  options.analysis.min_jets = flags.min_jets;
  if (threshold_given) options.analysis.reco_threshold = flags.reco_threshold;
  return options;
}

void read_shards(const AnalyzeOptions& options, JetCollector& collector) {
  const data::Dataset dataset = data::Dataset::open(options.input, options.split);
  if (dataset.num_jets() == 0) {
    fail(ErrorCode::InvalidArgument, options.input, " has no jets in the split '",
         data::split_name(options.split), "'");
  }
  collector.check_input(options.input, /*branches=*/false, dataset.has_particles());
  Progress progress("correct", dataset.num_jets(), "jets");
  for (std::int64_t i = 0; i < dataset.num_shards(); ++i) {
    collector.add(dataset.shard(i));
    progress.update(collector.num_jets());
  }
  progress.finish();
}

// Returns what was read, for the report.
Json read_root_file(const std::filesystem::path& path, const AnalyzeOptions& options,
                    JetCollector& collector) {
  data::RootJetReader reader(path, options.tree);
  const data::RootSource& source = reader.source();
  collector.check_input(path.string(), /*branches=*/true, source.has_particles());
  Progress progress(path.filename().string(), source.num_entries, "entries");
  edm::JetColumns jets;
  while (reader.read(kChunkEntries, jets) > 0) {
    collector.add(jets.view());
    jets = {};
    progress.update(reader.next_entry());
  }
  progress.finish();
  collector.add_branches(path, options.tree);
  return {{"path", path.string()},
          {"layout", source.layout},
          {"tree", source.tree},
          {"entries", source.num_entries},
          {"unstored_gen_jets", reader.unstored_gen_jets()}};
}

Json read_input(const AnalyzeOptions& options, JetCollector& collector) {
  Json source{{"input", options.input}};
  if (std::filesystem::is_directory(options.input)) {
    read_shards(options, collector);
    source["split"] = data::split_name(options.split);
    return source;
  }
  if (options.split_given)
    fail(ErrorCode::InvalidArgument, "--split is for a folder of shards, got ", options.input);
  source["files"] = Json::array();
  for (const std::filesystem::path& path : glob_files(options.input))
    source["files"].push_back(read_root_file(path, options, collector));
  return source;
}

void print_tables(const analysis::Analysis& numbers, const AnalyzeOptions& options) {
  std::vector<analysis::Table> tables{analysis::counts_table(numbers),
                                      analysis::loss_table(numbers),
                                      analysis::flavor_table(numbers, 0)};
  const std::size_t models = numbers.correctors.size() - 1;
  if (models > 0 && models <= kModelsInOneTable) tables.push_back(analysis::gain_table(numbers));
  if (models > kModelsInOneTable) {
    for (analysis::Table& table : analysis::gain_tables(numbers))
      tables.push_back(std::move(table));
  }
  for (const analysis::Table& table : tables) fmt::print("{}\n", analysis::to_text(table));
  fmt::print("figures, report.json and index.html are in {}\n", options.output);
}

int run_analyze(const CLI::App& app, const AnalyzeFlags& flags, const CommonOptions& common) {
  report_crashes("analyze");
  AnalyzeOptions options = make_options(app, flags, load_config(common));
  JetCollector collector(options.correctors, kBaselineName);
  Json source = read_input(options, collector);
  const analysis::JetSample sample = collector.finish();
  source["correctors"] = collector.description();

  analysis::Analysis numbers;
  {
    const auto correctors = static_cast<std::int64_t>(sample.correctors.size());
    Progress progress("bootstrap", options.analysis.resamplings * correctors, "resamplings");
    options.analysis.on_progress = [&](std::int64_t done) { progress.update(done); };
    numbers = analysis::analyze(sample, options.analysis);
    progress.finish();
  }
  Json report = analysis::write_report(numbers, {options.label, source}, options.output);
  if (common.json) {
    report["output"] = options.output;
    print_json(report);
  } else {
    print_tables(numbers, options);
  }
  return 0;
}

}  // namespace

Verb make_analyze_verb() {
  return {
      "analyze", "Measures response, resolution and flavor dependence; draws figures",
      [](CLI::App& app, CommonOptions& common) {
        auto flags = std::make_shared<AnalyzeFlags>();  // shared: outlives this set-up
        app.add_option("--input", flags->input,
                       "folder of shards, or ROOT files (* and ? in the last component)");
        app.add_option("--split", flags->split, "shards: train, validation or test [test]");
        app.add_option("--tree", flags->tree,
                       "ROOT: tree to read, found by its branches if absent");
        app.add_option(
            "--corrector", flags->correctors,
            "NAME=MODEL.jetcal, or NAME=branch:BRANCH, factor:A*B, jec:FILES, raw; repeatable");
        app.add_option("--output", flags->output, "folder of the report and the figures");
        app.add_option("--bootstrap", flags->bootstrap, "resamplings for the errors [200]");
        app.add_option("--seed", flags->seed, "seed of the resamplings [1]");
        app.add_option("--min-jets", flags->min_jets, "bins with fewer jets are flagged [30]");
        app.add_option("--reco-threshold", flags->reco_threshold,
                       "threshold on pt_reco in the sample, GeV, 0 for none [found from the jets]");
        app.add_option("--label", flags->label, "text at the top right of the figures (TLatex)");
        return [&app, &common, flags] { return run_analyze(app, *flags, common); };
      }};
}

}  // namespace jetcal::cli
