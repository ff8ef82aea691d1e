// SPDX-License-Identifier: Apache-2.0
// jetcal predict: a ROOT file in, the same tree with the corrected pT out.
#include <fmt/format.h>

#include <chrono>
#include <filesystem>
#include <memory>
#include <regex>

#include "jetcal/cli/crash_report.h"
#include "jetcal/cli/jet_correction.h"
#include "jetcal/cli/prediction_table.h"
#include "jetcal/cli/verb.h"
#include "jetcal/data/root_jet_reader.h"
#include "jetcal/data/write_table.h"
#include "jetcal/data/write_with_branch.h"
#include "jetcal/models/predictor.h"
#ifdef JETCAL_HAS_CUDA
#include "jetcal/cuda/predictor.h"
#endif
#ifdef JETCAL_HAS_URL
#include "jetcal/cli/client_flags.h"
#include "jetcal/client/jet_client.h"
#endif

namespace jetcal::cli {
namespace {

using Json = nlohmann::ordered_json;
namespace fs = std::filesystem;

constexpr std::int64_t kMaxBatchSize = 100000;  // of our served models

#ifdef JETCAL_HAS_URL
using ServerFlags = ClientFlags;
#else
struct ServerFlags {
  std::string url;
};
#endif

/// Flags, with the values of --config where a flag is not given.
struct PredictOptions {
  std::string model, model_name = "optimal", model_version, mode;
  std::string input, output, branch = "jetPtCorr", resolution_branch, tree;
  std::string precision = "float32", device = "cpu";
  std::int64_t batch_size = 500;
  std::string split = "test", form = "auto";
  ServerFlags server;
  std::vector<std::string> observers;
  data::DataRules rules;  // of --config; --observers replace its observers

  // A table is asked for by observers, or by jets that are no longer in their files.
  bool is_table() const { return !rules.observers.empty() || is_shard_folder(input); }
};

/// Where the network runs, ready to predict.
// NOLINTNEXTLINE(bugprone-exception-escape): nlohmann::json checks itself when it is moved.
struct Source {
  Json description;
  NetworkUse use;
  PredictFunction predict;
  std::function<Json()> account;  // of requests to a server; none in process
};

void add_flags(CLI::App& app, PredictOptions& options) {
  app.add_option("--model", options.model, "network to run in process: FILE.jetcal");
#ifdef JETCAL_HAS_URL
  add_client_flags(app, options.server);
#else
  app.add_option("--url", options.server.url, "server to ask instead: http://host:port");
#endif
  app.add_option("--form", options.form,
                 "of jets on their way to a server: ragged, padded, or auto: what it takes (auto)");
  app.add_option("--model-name", options.model_name, "name of the model on the server (optimal)");
  app.add_option("--model-version", options.model_version, "its version (the highest)");
  app.add_option("--mode", options.mode,
                 "paper or constituents, for a server that does not say what its model wants");
  app.add_option("--input", options.input, "file of jets: JetNTuple, PFNano or Parquet");
  app.add_option("--output", options.output, "file to write, of the same kind");
  app.add_option("--branch", options.branch, "name of the new branch (jetPtCorr)");
  app.add_option("--resolution-branch", options.resolution_branch,
                 "name of the branch of relative resolutions (BRANCH + Resolution), written where "
                 "the network predicts them");
  app.add_option("--tree", options.tree, "tree to read (the one with jets)");
  app.add_option("--observers", options.observers,
                 "write a table with these branches, columns or name=expression beside the "
                 "predictions; --output ends in .root or .parquet");
  app.add_option("--split", options.split, "of a folder of shards: train, validation, test, all");
  app.add_option("--batch-size", options.batch_size, "jets a batch or request (500)");
  app.add_option("--device", options.device, "cpu (default) or cuda: what runs the network");
  app.add_option("--precision", options.precision,
                 "of a network in process: float32, int16, int8 or bf16 (float32)");
}

// A name alone is a branch or column; name=expression is computed.
data::DataRules read_observers(const Config& given, const std::vector<std::string>& flags) {
  Config config = given;
  if (!flags.empty()) {
    YAML::Node list(YAML::NodeType::Sequence);
    for (const std::string& flag : flags) {
      const std::size_t equal = flag.find('=');
      YAML::Node entry(flag);
      if (equal != std::string::npos) {
        entry = YAML::Node(YAML::NodeType::Map);
        entry[flag.substr(0, equal)] = flag.substr(equal + 1);
      }
      list.push_back(entry);
    }
    YAML::Emitter text;
    text << list;
    config.set("observers", text.c_str());
  }
  static_cast<void>(given.has("observers"));
  static_cast<void>(given.has("new_variables"));
  return data::read_observer_rules(config, "");
}

PredictOptions with_config(const CLI::App& app, const CommonOptions& common,
                           PredictOptions options) {
  const Config config = load_config(common);
  fill_from_config(app, config, "model", options.model);
#ifdef JETCAL_HAS_URL
  fill_client_flags(app, config, options.server);
#else
  fill_from_config(app, config, "url", options.server.url);
#endif
  fill_from_config(app, config, "form", options.form);
  fill_from_config(app, config, "model-name", options.model_name);
  fill_from_config(app, config, "model-version", options.model_version);
  fill_from_config(app, config, "mode", options.mode);
  fill_from_config(app, config, "input", options.input);
  fill_from_config(app, config, "output", options.output);
  fill_from_config(app, config, "branch", options.branch);
  fill_from_config(app, config, "resolution-branch", options.resolution_branch);
  if (options.resolution_branch.empty()) options.resolution_branch = options.branch + "Resolution";
  fill_from_config(app, config, "tree", options.tree);
  fill_from_config(app, config, "batch-size", options.batch_size);
  fill_from_config(app, config, "precision", options.precision);
  fill_from_config(app, config, "device", options.device);
  fill_from_config(app, config, "split", options.split);
  options.rules = read_observers(config, options.observers);
  config.reject_unknown();
  if ((app.count("--split") > 0 || config.has("split")) && !is_shard_folder(options.input))
    fail(ErrorCode::InvalidArgument, "--split is for a folder of shards, got ", options.input);
  return options;
}

void validate(const PredictOptions& options) {
  if (options.model.empty() == options.server.url.empty())
    fail(ErrorCode::InvalidArgument, "predict needs either --model FILE.jetcal or --url URL");
  if ((options.precision != "float32" || options.device != "cpu") && options.model.empty())
    fail(ErrorCode::InvalidArgument, "a server computes on its own device in its own precision: ",
         "--device and --precision need --model FILE.jetcal");
  if (options.device != "cpu" && options.device != "cuda")
    fail(ErrorCode::InvalidArgument, "there is no device '", options.device, "': cpu or cuda");
  if (options.input.empty()) fail(ErrorCode::InvalidArgument, "the input is missing: --input FILE");
  if (options.output.empty())
    fail(ErrorCode::InvalidArgument, "the output is missing: --output FILE");
  if (options.batch_size < 1 || options.batch_size > kMaxBatchSize)
    fail(ErrorCode::InvalidArgument, "batch-size must be 1 to ", kMaxBatchSize, ", not ",
         options.batch_size);
  for (const std::string& branch : {options.branch, options.resolution_branch}) {
    if (!std::regex_match(branch, std::regex("[A-Za-z_][A-Za-z0-9_]*")))
      fail(ErrorCode::InvalidArgument, "a branch is named with letters, digits and '_', not '",
           branch, "'");
  }
  if (options.branch == options.resolution_branch)
    fail(ErrorCode::InvalidArgument, "both new branches would be named ", options.branch);
  std::error_code ignored;
  if (fs::equivalent(options.input, options.output, ignored))
    fail(ErrorCode::InvalidArgument, "the output would overwrite the input ", options.input);
}

#ifdef JETCAL_HAS_CUDA
PredictFunction on_gpu(const models::Model& model, const std::string& precision) {
  // shared: std::function copies what it holds
  const auto predictor =
      std::make_shared<const cuda::Predictor>(model, cuda::parse_precision(precision));
  return [predictor](const edm::FeatureView& features, std::span<float> y, std::span<float>) {
    predictor->predict(features, y);
  };
}
#else
PredictFunction on_gpu(const models::Model&, const std::string&) {
  fail(ErrorCode::Unimplemented,
       "device cuda: this build has no room cuda; configure it with -DJETCAL_CUDA=ON");
}
#endif

Source in_process(const PredictOptions& options) {
  const models::Model model = models::load_model(options.model);
  Source source;
  source.use = {model.config.inputs(), models::has_resolution(model.config)};
  source.description = {{"file", options.model},
                        {"fingerprint", models::fingerprint(model)},
                        {"network", models::network_name(model.config.network)}};
  source.description["device"] = options.device;
  source.description["precision"] = options.precision;
  if (options.device == "cuda") {
    source.predict = on_gpu(model, options.precision);
    return source;
  }
  // shared: std::function copies what it holds
  const auto predictor = std::make_shared<const models::Predictor>(
      model, models::predictor_options(options.precision));
  source.predict = [predictor](const edm::FeatureView& features, std::span<float> y,
                               std::span<float> resolution) {
    if (resolution.empty())
      predictor->predict(features, y);
    else
      predictor->predict(features, y, resolution);
  };
  return source;
}

#ifdef JETCAL_HAS_URL
Source on_server(const PredictOptions& options) {
  const auto asker =  // shared: as above
      std::make_shared<client::Client>(client_options(options.server));
  const client::ServedNetwork network = client::describe(
      *asker, options.model_name, options.model_version, client::parse_jet_form(options.form));
  if (!network.mode && options.mode.empty())
    fail(ErrorCode::InvalidArgument, "the server does not say which particles model '",
         options.model_name, "' wants: give --mode paper or --mode constituents");
  Source source;
  source.use = {network.inputs, network.with_resolution, options.server.connections};
  source.use.inputs.mode = network.mode ? *network.mode : edm::parse_input_mode(options.mode);
  source.description = {{"url", options.server.url},
                        {"name", network.name},
                        {"version", network.version},
                        {"network", models::network_name(network.network)},
                        {"form", network.ragged ? "ragged" : "padded"}};
  source.predict = [asker, network](const edm::FeatureView& features, std::span<float> y,
                                    std::span<float> resolution) {
    client::predict(*asker, network, features, y, resolution);
  };
  source.account = [asker]() -> Json {
    const client::ClientCounts counts = asker->counts();
    return {{"requests", counts.requests},
            {"attempts", counts.attempts},
            {"refused", counts.refused},
            {"broken", counts.broken},
            {"paused_ms", counts.paused_ms}};
  };
  return source;
}
#else
Source on_server(const PredictOptions&) {
  fail(ErrorCode::Unimplemented,
       "this build asks no servers: it was made without libcurl or ONNX Runtime");
}
#endif

Source open_source(const PredictOptions& options) {
  Source source = options.server.url.empty() ? in_process(options) : on_server(options);
  if (!options.mode.empty() && edm::parse_input_mode(options.mode) != source.use.inputs.mode)
    fail(ErrorCode::InvalidArgument, "the model was trained in mode ",
         edm::input_mode_name(source.use.inputs.mode), ", --mode says ", options.mode);
  source.description["features"] = edm::feature_set_name(source.use.inputs.features);
  source.description["target"] = edm::reference_name(source.use.inputs.reference);
  source.description["mode"] = edm::input_mode_name(source.use.inputs.mode);
  return source;
}

Json server_account(const Source& source) {
  return source.account ? source.account() : Json(nullptr);
}

Json not_corrected(const CorrectedJets& jets) {
  return {{"pt_not_positive", jets.pt_not_positive},
          {"features_not_finite", jets.features_not_finite},
          {"prediction_not_finite", jets.prediction_not_finite}};
}

Json report_json(const PredictOptions& options, const Source& source,
                 const data::RootJetReader& reader, const CorrectedJets& jets, double seconds) {
  return {{"input", options.input},
          {"output", options.output},
          {"branch", options.branch},
          {"resolution_branch",
           jets.resolution.empty() ? Json(nullptr) : Json(options.resolution_branch)},
          {"schema", data::schema_name(reader.source().schema)},
          {"layout", reader.source().layout},
          {"tree", reader.source().tree},
          {"model", source.description},
          {"jets", jets.pt_corr.size()},
          {"corrected", jets.corrected},
          {"not_corrected", not_corrected(jets)},
          {"dropped_particles", jets.dropped_particles},
          {"skipped_links", reader.skipped_links()},
          {"batches", jets.batches},
          {"server", server_account(source)},
          {"seconds", seconds}};
}

void print_account(const CorrectedJets& jets) {
  fmt::print("{:<28}{:>12}\n", "jets", jets.pt_corr.size());
  fmt::print("{:<28}{:>12}\n", "corrected", jets.corrected);
  fmt::print("{:<28}{:>12}\n", "NaN: pT not positive", jets.pt_not_positive);
  fmt::print("{:<28}{:>12}\n", "NaN: variable not finite", jets.features_not_finite);
  fmt::print("{:<28}{:>12}\n", "NaN: no prediction", jets.prediction_not_finite);
  fmt::print("{:<28}{:>12}\n", "particles left out", jets.dropped_particles);
}

void print_table(const PredictOptions& options, const CorrectedJets& jets, double seconds) {
  print_account(jets);
  fmt::print("{:<28}{:>12.0f}\n", "jets/s",
             static_cast<double>(jets.pt_corr.size()) / std::max(seconds, 1e-9));
  fmt::print("branch {} is in {}\n", options.branch, options.output);
  if (!jets.resolution.empty())
    fmt::print("branch {} holds relative resolutions\n", options.resolution_branch);
}

// Returns what could not be copied from the input.
std::vector<std::string> write_jets(const PredictOptions& options, const CorrectedJets& jets) {
  if (jets.resolution.empty())
    return data::write_with_branch(options.input, options.tree, options.output, options.branch,
                                   jets.pt_corr);
  // One branch after the other; what lies between is removed, whatever happens.
  const fs::path output(options.output);
  const fs::path between =
      output.parent_path() / ("." + output.stem().string() + ".part" + output.extension().string());
  const auto remove = [&between](const void*) {
    std::error_code ignored;
    fs::remove(between, ignored);
  };
  const std::unique_ptr<const void, decltype(remove)> cleaner(&between, remove);
  std::vector<std::string> left_out = data::write_with_branch(
      options.input, options.tree, between.string(), options.branch, jets.pt_corr);
  data::write_with_branch(between.string(), options.tree, output, options.resolution_branch,
                          jets.resolution);
  return left_out;
}

int predict_to_table(const PredictOptions& options, bool json) {
  if (!data::is_table_name(options.output)) {
    fail(ErrorCode::InvalidArgument, "a table of predictions ends in .root or .parquet, not ",
         options.output);
  }
  const Source source = open_source(options);
  const TableOptions asked{options.input, options.tree, options.split, options.rules,
                           options.branch};
  const PredictionTable table =
      predict_table(asked, source.use, options.batch_size, source.predict);
  data::write_table(options.output, table.columns);
  std::vector<std::string> names;
  for (const data::NumberColumn& column : table.columns) names.push_back(column.name);
  if (json) {
    print_json({{"input", table.files},
                {"output", options.output},
                {"columns", names},
                {"model", source.description},
                {"jets", table.jets.pt_corr.size()},
                {"corrected", table.jets.corrected},
                {"not_corrected", not_corrected(table.jets)},
                {"dropped_particles", table.jets.dropped_particles},
                {"skipped_links", table.skipped_links},
                {"batches", table.jets.batches},
                {"server", server_account(source)}});
  } else {
    print_account(table.jets);
    fmt::print("columns {} are in {}\n", fmt::join(names, ", "), options.output);
  }
  return 0;
}

int predict(const PredictOptions& options, bool json) {
  validate(options);
  report_crashes("predict");
  if (options.is_table()) return predict_to_table(options, json);
  data::RootJetReader reader(options.input, options.tree);
  if (reader.source().storage == data::Storage::RNTuple)
    fail(ErrorCode::Unimplemented, options.input,
         " holds an RNTuple; branches can only be added to a TTree");
  if (!reader.source().has_particles())
    fail(ErrorCode::FailedPrecondition, options.input,
         " is NanoAOD without particle-flow candidates, which every network needs");
  const Source source = open_source(options);
  const auto begin = std::chrono::steady_clock::now();
  const CorrectedJets jets = correct_jets(reader, source.use, options.batch_size, source.predict);
  const double seconds =
      std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
  const std::vector<std::string> left_out = write_jets(options, jets);
  if (json) {
    Json report = report_json(options, source, reader, jets, seconds);
    report["left_out"] = left_out;
    print_json(report);
  } else {
    print_table(options, jets, seconds);
    if (!left_out.empty()) fmt::print("not copied from the input: {}\n", fmt::join(left_out, ", "));
  }
  return 0;
}

}  // namespace

Verb make_predict_verb() {
  return {"predict", "add the corrected pT of a network to the jets of a ROOT file",
          [](CLI::App& app, CommonOptions& common) -> std::function<int()> {
            auto options = std::make_shared<PredictOptions>();  // shared: std::function copies
            add_flags(app, *options);
            return [&app, &common, options] {
              return predict(with_config(app, common, *options), common.json);
            };
          }};
}

}  // namespace jetcal::cli
