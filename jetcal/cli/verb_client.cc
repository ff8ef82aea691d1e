// SPDX-License-Identifier: Apache-2.0
// jetcal client: asks a server of the protocol what it is, what it does, and for predictions.
#include <fmt/format.h>
#include <unistd.h>

#include <cmath>
#include <filesystem>
#include <map>
#include <memory>

#include "jetcal/base/files.h"
#include "jetcal/base/process_arguments.h"
#include "jetcal/cli/client_flags.h"
#include "jetcal/cli/verb.h"
#include "jetcal/client/jet_client.h"
#include "jetcal/client/jet_document.h"
#include "jetcal/engine/sample_jets.h"

namespace jetcal::cli {
namespace {

using Json = nlohmann::ordered_json;
namespace fs = std::filesystem;

struct AskFlags {
  ClientFlags server;
  std::string action, model, version, input, output, form = "auto", coding = "binary", model_config;
  std::vector<std::string> files;  // of load: PATH=FILE
  std::int64_t sample = 0;
  std::uint64_t seed = 1;
};

void add_flags(CLI::App& app, AskFlags& flags) {
  flags.server.url = "http://127.0.0.1:8000";
  flags.server.retries = 2;
  flags.server.deadline = 60;
  app.add_option("action", flags.action,
                 "health, metadata, config, statistics, index, load, unload or infer")
      ->required();
  add_client_flags(app, flags.server);
  app.add_option("--model-name", flags.model, "model that is asked about (all, or the server)");
  app.add_option("--model-version", flags.version, "its version (the newest)");
  app.add_option("--input", flags.input,
                 "infer: FILE.json, a request of the protocol or a list of jets; what `jetcal "
                 "predict` reads (ROOT, Parquet, folder of shards) goes there");
  app.add_option("--output", flags.output, "infer: file to write (standard output)");
  app.add_option("--sample", flags.sample, "infer: made-up jets instead of an input");
  app.add_option("--seed", flags.seed, "of them (1)");
  app.add_option("--form", flags.form, "infer: jets ragged, padded, or auto (auto)");
  app.add_option("--coding", flags.coding, "infer: tensors binary or json (binary)");
  app.add_option("--model-config", flags.model_config, "load: FILE.json in place of config.pbtxt");
  app.add_option("--file", flags.files, "load: PATH=FILE, such as 1/model.onnx=new.onnx, several")
      ->delimiter(',');
}

AskFlags with_config(const CLI::App& app, const CommonOptions& common, AskFlags flags) {
  const Config config = load_config(common);
  fill_client_flags(app, config, flags.server);
  fill_from_config(app, config, "model-name", flags.model);
  fill_from_config(app, config, "model-version", flags.version);
  fill_from_config(app, config, "input", flags.input);
  fill_from_config(app, config, "output", flags.output);
  fill_from_config(app, config, "sample", flags.sample);
  fill_from_config(app, config, "seed", flags.seed);
  fill_from_config(app, config, "form", flags.form);
  fill_from_config(app, config, "coding", flags.coding);
  fill_from_config(app, config, "model-config", flags.model_config);
  fill_from_config(app, config, "file", flags.files);
  config.reject_unknown();
  return flags;
}

void need_model(const AskFlags& flags) {
  if (flags.model.empty())
    fail(ErrorCode::InvalidArgument, "client ", flags.action, " needs --model-name NAME");
}

int health(client::Client& asker, const AskFlags& flags, bool json) {
  Json answer = {{"live", asker.live()}, {"ready", asker.ready()}};
  if (!flags.model.empty()) answer["model_ready"] = asker.model_ready(flags.model, flags.version);
  bool good = true;
  for (const auto& [name, value] : answer.items()) {
    good = good && value.get<bool>();
    if (!json) fmt::print("{:<12} {}\n", name, value.get<bool>() ? "yes" : "no");
  }
  if (json) print_json(answer);
  return good ? 0 : exit_status(ErrorCode::Unavailable);
}

Json load(client::Client& asker, const AskFlags& flags) {
  client::ModelSource source;
  if (!flags.model_config.empty()) source.config_json = read_file(flags.model_config);
  for (const std::string& entry : flags.files) {
    const std::size_t equal = entry.find('=');
    if (equal == std::string::npos || equal == 0)
      fail(ErrorCode::InvalidArgument, "--file needs PATH=FILE, not '", entry, "'");
    source.files[entry.substr(0, equal)] = read_file(entry.substr(equal + 1));
  }
  asker.load(flags.model, source);
  return {{"model", flags.model}, {"loaded", true}};
}

// Replaces this program by `jetcal predict`, which reads such files and asks the same server.
[[noreturn]] void hand_over_to_predict(const AskFlags& flags, const CommonOptions& common) {
  if (flags.coding != "binary")
    fail(ErrorCode::InvalidArgument, "--coding json is for FILE.json and --sample: the jets of ",
         flags.input, " are sent by jetcal predict");
  const ClientFlags& server = flags.server;
  std::vector<std::string> words{"jetcal", "predict", "--url", server.url};
  const auto add = [&words](const char* flag, const std::string& value) {
    if (!value.empty()) words.insert(words.end(), {flag, value});
  };
  add("--input", flags.input);
  add("--output", flags.output);
  add("--model-name", flags.model);
  add("--model-version", flags.version);
  add("--form", flags.form);
  add("--connections", std::to_string(server.connections));
  add("--retries", std::to_string(server.retries));
  add("--deadline", fmt::format("{}", server.deadline));
  add("--connect-timeout", fmt::format("{}", server.connect_timeout));
  add("--ca", server.ca);
  add("--cert", server.certificate);
  add("--key", server.key);
  add("--verify", server.verify ? "true" : "false");
  add("--token-file", server.token_file);
  add("--token-variable", server.token_variable);
  if (common.threads > 0) add("--threads", std::to_string(common.threads));
  if (common.json) words.emplace_back("--json");
  const std::vector<char*> arguments = pointers_to(words);
  ::execv(fs::read_symlink("/proc/self/exe").c_str(), arguments.data());
  fail(ErrorCode::Internal, "jetcal predict does not start");
}

edm::FeatureBatch jets_of(const AskFlags& flags, const client::ServedNetwork& network) {
  if (flags.sample > 0)
    return engine::sample_jets(flags.sample, 10, 60, flags.seed, network.inputs);
  return client::parse_jets(read_file(flags.input), network.inputs);
}

Json infer_jets(client::Client& asker, const AskFlags& flags, client::TensorCoding coding) {
  const client::ServedNetwork network =
      client::describe(asker, flags.model, flags.version, client::parse_jet_form(flags.form));
  const edm::FeatureBatch jets = jets_of(flags, network);
  if (jets.num_jets() == 0) fail(ErrorCode::InvalidArgument, flags.input, " holds no jets");
  const auto count = static_cast<std::size_t>(jets.num_jets());
  std::vector<float> y(count), resolution(network.with_resolution ? count : 0);
  client::predict(asker, network, jets.view(), y, resolution, coding);
  Json rows = Json::array();
  for (std::size_t j = 0; j < count; ++j) {
    // The logarithm of the pT that is corrected is the first feature of a jet.
    const float log_pt = jets.jets[j * static_cast<std::size_t>(jets.jet_features)];
    Json row = {{"y", y[j]}, {"pt", std::exp(log_pt)}, {"pt_corr", std::exp(log_pt + y[j])}};
    if (network.with_resolution) row["resolution"] = resolution[j];
    rows.push_back(row);
  }
  return {{"model", network.name},
          {"version", network.version},
          {"form", network.ragged ? "ragged" : "padded"},
          {"jets", rows}};
}

bool is_protocol_request(const std::string& text) {
  const Json document = Json::parse(text, nullptr, false);
  return document.is_object() && document.contains("inputs");
}

void print_jets(const Json& answer) {
  fmt::print("{:>6} {:>12} {:>12} {:>12}\n", "jet", "pt (GeV)", "y", "corrected");
  for (std::size_t j = 0; j < answer["jets"].size(); ++j) {
    const Json& row = answer["jets"][j];
    fmt::print("{:>6} {:>12.4f} {:>12.6f} {:>12.4f}\n", j, row["pt"].get<double>(),
               row["y"].get<double>(), row["pt_corr"].get<double>());
  }
}

int infer(client::Client& asker, const AskFlags& flags, const CommonOptions& common) {
  need_model(flags);
  if (flags.input.empty() == (flags.sample <= 0))
    fail(ErrorCode::InvalidArgument, "infer needs either --input FILE or --sample N");
  if (flags.coding != "binary" && flags.coding != "json")
    fail(ErrorCode::InvalidArgument, "there is no coding '", flags.coding, "': binary or json");
  const auto coding =
      flags.coding == "json" ? client::TensorCoding::Json : client::TensorCoding::Binary;
  if (flags.sample <= 0 && fs::path(flags.input).extension() != ".json")
    hand_over_to_predict(flags, common);
  Json answer;
  if (flags.sample <= 0 && is_protocol_request(read_file(flags.input))) {
    client::InferRequest request = client::parse_request(read_file(flags.input));
    request.model = flags.model;
    request.version = flags.version;
    request.coding = coding;
    answer = client::to_json(asker.infer(request));
  } else {
    answer = infer_jets(asker, flags, coding);
  }
  if (!flags.output.empty())
    write_file(flags.output, answer.dump(1) + "\n");
  else if (common.json || !answer.contains("jets"))
    print_json(answer);
  else
    print_jets(answer);
  return 0;
}

Json index(client::Client& asker, bool json) {
  Json models = asker.repository_index();
  if (json) return models;
  for (const Json& model : models)
    fmt::print("{:<24} {:>4} {:<12} {}\n", model.value("name", ""), model.value("version", ""),
               model.value("state", ""), model.value("reason", ""));
  return nullptr;
}

int run(const CLI::App& app, const CommonOptions& common, const AskFlags& given) {
  const AskFlags flags = with_config(app, common, given);
  client::Client asker(client_options(flags.server));
  const std::string& action = flags.action;
  if (action == "health") return health(asker, flags, common.json);
  if (action == "infer") return infer(asker, flags, common);
  Json answer;
  if (action == "metadata") {
    answer = flags.model.empty() ? asker.server_metadata()
                                 : asker.model_metadata(flags.model, flags.version);
  } else if (action == "config") {
    need_model(flags);
    answer = asker.model_config(flags.model, flags.version);
  } else if (action == "statistics") {
    answer = asker.statistics(flags.model, flags.version);
  } else if (action == "index") {
    answer = index(asker, common.json);
  } else if (action == "load") {
    need_model(flags);
    answer = load(asker, flags);
  } else if (action == "unload") {
    need_model(flags);
    asker.unload(flags.model);
    answer = {{"model", flags.model}, {"loaded", false}};
  } else {
    fail(ErrorCode::InvalidArgument, "client cannot '", action,
         "': health, metadata, config, statistics, index, load, unload or infer");
  }
  if (!answer.is_null()) print_json(answer);
  return 0;
}

}  // namespace

Verb make_client_verb() {
  return {"client", "ask a server what it has, and for predictions",
          [](CLI::App& app, CommonOptions& common) -> std::function<int()> {
            // shared: std::function copies what it holds
            auto flags = std::make_shared<AskFlags>();
            add_flags(app, *flags);
            return [&app, &common, flags] { return run(app, common, *flags); };
          }};
}

}  // namespace jetcal::cli
