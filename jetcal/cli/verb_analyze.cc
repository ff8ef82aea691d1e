// SPDX-License-Identifier: Apache-2.0
// jetcal analyze: response, resolution and flavor dependence of corrected jets, as numbers, tables
// and figures.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <map>
#include <optional>
#include <set>

#include "jetcal/analysis/branch_reader.h"
#include "jetcal/analysis/report.h"
#include "jetcal/analysis/tables.h"
#include "jetcal/base/files.h"
#include "jetcal/base/progress.h"
#include "jetcal/base/stop.h"
#include "jetcal/cli/verb.h"
#include "jetcal/data/dataset.h"
#include "jetcal/data/root_jet_reader.h"
#include "jetcal/models/predictor.h"

namespace jetcal::cli {

namespace {

using Json = nlohmann::ordered_json;

constexpr std::int64_t kChunkJets = 4096;
constexpr const char* kBaselineName = "Standard";
constexpr const char* kDefaultLabel = "anti-#it{k}_{T} #it{R} = 0.4";
constexpr std::string_view kBranchPrefix = "branch:";

/// The flags as given; a flag that was not given leaves the configuration's value alone.
struct AnalyzeFlags {
  std::string input, split = "test", tree, output, label = kDefaultLabel;
  std::vector<std::string> correctors;
  int bootstrap = 200, min_jets = 30;
  std::uint64_t seed = 1;
  double reco_threshold = -1;
};

/// One NAME=MODEL.jetcal or NAME=branch:BRANCH.
struct CorrectorSpec {
  std::string name;
  std::string model;   ///< Path, or empty.
  std::string branch;  ///< Name, or empty.
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

CorrectorSpec parse_corrector(const std::string& text) {
  const std::size_t equals = text.find('=');
  if (equals == std::string::npos || equals == 0 || equals + 1 == text.size()) {
    fail(ErrorCode::InvalidArgument, "the corrector '", text,
         "' is not of the form NAME=MODEL.jetcal or NAME=branch:BRANCH");
  }
  CorrectorSpec spec{text.substr(0, equals), "", ""};
  const std::string source = text.substr(equals + 1);
  if (source.rfind(kBranchPrefix, 0) == 0) {
    spec.branch = source.substr(kBranchPrefix.size());
  } else {
    spec.model = source;
  }
  return spec;
}

std::vector<CorrectorSpec> parse_correctors(const std::vector<std::string>& texts) {
  std::vector<CorrectorSpec> specs;
  std::set<std::string> names{kBaselineName};
  for (const std::string& text : texts) {
    specs.push_back(parse_corrector(text));
    if (!names.insert(specs.back().name).second) {
      fail(ErrorCode::InvalidArgument, "two correctors have the name '", specs.back().name, "'; '",
           kBaselineName, "' is the uncorrected pt_reco");
    }
  }
  return specs;
}

AnalyzeOptions make_options(const CLI::App& app, AnalyzeFlags flags, const Config& config) {
  const auto merge = [&](const std::string& name, auto& flag) {
    std::string field = name;
    std::replace(field.begin(), field.end(), '-', '_');
    const auto from_file = config.get(field, flag);
    if (app.count("--" + name) == 0) flag = from_file;
  };
  merge("input", flags.input);
  merge("split", flags.split);
  merge("tree", flags.tree);
  merge("output", flags.output);
  merge("label", flags.label);
  merge("corrector", flags.correctors);
  merge("bootstrap", flags.bootstrap);
  merge("min-jets", flags.min_jets);
  merge("seed", flags.seed);
  merge("reco-threshold", flags.reco_threshold);
  const bool split_given = app.count("--split") > 0 || config.has("split");
  config.reject_unknown();
  if (flags.input.empty())
    fail(ErrorCode::InvalidArgument, "the input is missing: give --input SHARDS_DIR or FILE.root");
  if (flags.output.empty())
    fail(ErrorCode::InvalidArgument, "the output folder is missing: give --output DIR");

  AnalyzeOptions options;
  options.input = flags.input;
  options.tree = flags.tree;
  options.split = data::parse_split(flags.split);
  options.split_given = split_given;
  options.correctors = parse_correctors(flags.correctors);
  options.output = flags.output;
  options.label = flags.label;
  options.analysis.resamplings = flags.bootstrap;
  options.analysis.seed = flags.seed;
  options.analysis.min_jets = flags.min_jets;
  if (flags.reco_threshold >= 0) options.analysis.reco_threshold = flags.reco_threshold;
  return options;
}

/// Collects jets and corrects them with every model.
class JetCollector {
 public:
  explicit JetCollector(const std::vector<CorrectorSpec>& specs);

  /// Takes over the jets of a view.
  void add(const edm::JetView& jets);
  /// Takes over the values of the branch correctors of one file.
  void add_branches(const std::filesystem::path& path, const std::string& tree);
  bool has_branches() const;

  const analysis::JetSample& sample() const { return sample_; }
  const Json& description() const { return description_; }
  std::int64_t dropped_particles() const { return dropped_particles_; }

 private:
  void add_chunk(const edm::JetView& jets, std::int64_t begin, std::int64_t end);

  std::vector<CorrectorSpec> specs_;
  std::map<std::size_t, models::Predictor> predictors_;  // by index into specs_
  std::map<edm::InputMode, edm::FeatureBatch> features_;
  analysis::JetSample sample_;
  Json description_ = Json::array();
  std::int64_t dropped_particles_ = 0;
};

JetCollector::JetCollector(const std::vector<CorrectorSpec>& specs) : specs_(specs) {
  sample_.correctors.push_back({kBaselineName, {}});
  description_.push_back({{"name", kBaselineName}, {"kind", "pt_reco"}});
  for (std::size_t i = 0; i < specs_.size(); ++i) {
    sample_.correctors.push_back({specs_[i].name, {}});
    if (specs_[i].model.empty()) {
      description_.push_back(
          {{"name", specs_[i].name}, {"kind", "branch"}, {"branch", specs_[i].branch}});
      continue;
    }
    const models::Model model = models::load_model(specs_[i].model);
    predictors_.emplace(i, models::Predictor(model));
    features_[model.config.input_mode];
    description_.push_back({{"name", specs_[i].name},
                            {"kind", "model"},
                            {"path", specs_[i].model},
                            {"network", models::network_name(model.config.network)},
                            {"input_mode", edm::input_mode_name(model.config.input_mode)},
                            {"fingerprint", models::fingerprint(model)}});
  }
}

bool JetCollector::has_branches() const {
  return std::any_of(specs_.begin(), specs_.end(),
                     [](const CorrectorSpec& spec) { return !spec.branch.empty(); });
}

void JetCollector::add(const edm::JetView& jets) {
  for (std::int64_t begin = 0; begin < jets.num_jets; begin += kChunkJets) {
    if (stop_requested()) fail(ErrorCode::Cancelled, "stopped while jets were corrected");
    add_chunk(jets, begin, std::min(jets.num_jets, begin + kChunkJets));
  }
}

void JetCollector::add_chunk(const edm::JetView& jets, std::int64_t begin, std::int64_t end) {
  for (std::int64_t row = begin; row < end; ++row) {
    sample_.pt_gen.push_back(jets.pt_gen[row]);
    sample_.eta_gen.push_back(jets.eta_gen[row]);
    sample_.pt_reco.push_back(jets.pt_reco[row]);
    sample_.flavor.push_back(edm::jet_flavor(jets.hadron_flavor[row], jets.parton_flavor[row]));
    sample_.correctors[0].pt_corr.push_back(jets.pt_reco[row]);
  }
  for (auto& [mode, batch] : features_) {
    batch.clear();
    for (std::int64_t row = begin; row < end; ++row) edm::append_features(jets, row, mode, batch);
    dropped_particles_ += batch.dropped_particles;
  }
  std::vector<float> y(end - begin);
  for (const auto& [i, predictor] : predictors_) {
    predictor.predict(features_.at(predictor.config().input_mode).view(), y);
    std::vector<float>& pt_corr = sample_.correctors[i + 1].pt_corr;
    for (std::int64_t row = begin; row < end; ++row) {
      pt_corr.push_back(std::exp(y[row - begin]) * jets.pt_reco[row]);
    }
  }
}

void JetCollector::add_branches(const std::filesystem::path& path, const std::string& tree) {
  const std::int64_t jets = sample_.num_jets();
  for (std::size_t i = 0; i < specs_.size(); ++i) {
    if (specs_[i].branch.empty()) continue;
    std::vector<float>& pt_corr = sample_.correctors[i + 1].pt_corr;
    const std::vector<float> values = analysis::read_branch(path, tree, specs_[i].branch);
    pt_corr.insert(pt_corr.end(), values.begin(), values.end());
    if (static_cast<std::int64_t>(pt_corr.size()) != jets) {
      fail(ErrorCode::InvalidArgument, path.string(), ": the branch ", specs_[i].branch, " has ",
           values.size(), " values, not one for each jet");
    }
  }
}

void read_shards(const AnalyzeOptions& options, JetCollector& collector) {
  if (collector.has_branches()) {
    fail(ErrorCode::InvalidArgument,
         "a corrector of the form NAME=branch:BRANCH needs a ROOT file "
         "as input, got the folder ",
         options.input);
  }
  const data::Dataset dataset = data::Dataset::open(options.input, options.split);
  if (dataset.num_jets() == 0) {
    fail(ErrorCode::InvalidArgument, options.input, " has no jets in the split '",
         data::split_name(options.split), "'");
  }
  Progress progress("correct", dataset.num_jets(), "jets");
  for (std::int64_t i = 0; i < dataset.num_shards(); ++i) {
    collector.add(dataset.shard(i));
    progress.update(collector.sample().num_jets());
  }
  progress.finish();
}

void read_root_file(const std::filesystem::path& path, const AnalyzeOptions& options,
                    JetCollector& collector) {
  data::RootJetReader reader(path, options.tree);
  const data::RootSource& source = reader.source();
  if (collector.has_branches() && source.storage != data::Storage::TTree) {
    fail(ErrorCode::Unimplemented, path.string(),
         ": a corrector of the form NAME=branch:BRANCH "
         "needs a TTree, and ",
         source.tree, " is an RNTuple");
  }
  Progress progress(path.filename().string(), source.num_entries, "entries");
  edm::JetColumns jets;
  while (reader.read(kChunkJets, jets) > 0) {
    collector.add(jets.view());
    jets = {};
    progress.update(reader.next_entry());
  }
  progress.finish();
  collector.add_branches(path, fmt::format("{};{}", source.tree, source.cycle));
}

Json read_input(const AnalyzeOptions& options, JetCollector& collector) {
  Json source{{"input", options.input}};
  if (std::filesystem::is_directory(options.input)) {
    read_shards(options, collector);
    source["split"] = data::split_name(options.split);
  } else {
    if (options.split_given)
      fail(ErrorCode::InvalidArgument, "--split is for a folder of shards, got ", options.input);
    source["files"] = Json::array();
    for (const std::filesystem::path& path : glob_files(options.input)) {
      read_root_file(path, options, collector);
      source["files"].push_back(path.string());
    }
  }
  source["correctors"] = collector.description();
  source["dropped_particles"] = collector.dropped_particles();
  return source;
}

void print_tables(const analysis::Analysis& numbers, const AnalyzeOptions& options) {
  fmt::print("{}\n{}\n{}\n", counts_table(numbers), loss_table(numbers), flavor_table(numbers));
  if (numbers.correctors.size() > 1) fmt::print("{}\n", gain_table(numbers));
  fmt::print("figures and report.json are in {}\n", options.output);
}

int run_analyze(const CLI::App& app, const AnalyzeFlags& flags, const CommonOptions& common) {
  AnalyzeOptions options = make_options(app, flags, load_config(common));
  JetCollector collector(options.correctors);
  const Json source = read_input(options, collector);

  analysis::Analysis numbers;
  {
    Progress progress("bootstrap", options.analysis.resamplings, "resamplings");
    options.analysis.on_progress = [&](std::int64_t done) { progress.update(done); };
    numbers = analysis::analyze(collector.sample(), options.analysis);
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
        app.add_option("--corrector", flags->correctors,
                       "NAME=MODEL.jetcal, or NAME=branch:BRANCH of a ROOT input; repeatable");
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
