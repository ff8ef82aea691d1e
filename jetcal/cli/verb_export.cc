// SPDX-License-Identifier: Apache-2.0
// jetcal export: writes a network into a model repository, as ONNX and as native weights.
#include <cstdio>
#include <filesystem>
#include <memory>

#include "jetcal/base/progress.h"
#include "jetcal/base/random.h"
#include "jetcal/base/stop.h"
#include "jetcal/cli/verb.h"
#include "jetcal/engine/verify.h"
#include "jetcal/onnx/export.h"
#include "jetcal/onnx/repository.h"

namespace jetcal::cli {
namespace {

using nlohmann::ordered_json;

struct ExportOptions {
  std::string model, preset, mode, repository, name = "optimal";
  std::int64_t version = 1;
  std::uint64_t seed = 1;
  bool verify = false, force = false, triton_backend = false;
};

// Takes the values of --config for flags that are not given.
ExportOptions with_config(const CLI::App& app, const CommonOptions& common, ExportOptions options) {
  const Config config = load_config(common);
  const auto fill = [&](const std::string& name, auto& value) {
    const auto configured = config.get(name, value);
    if (app.count("--" + name) == 0) value = configured;
  };
  fill("model", options.model);
  fill("preset", options.preset);
  fill("mode", options.mode);
  fill("seed", options.seed);
  fill("repository", options.repository);
  fill("name", options.name);
  fill("version", options.version);
  fill("verify", options.verify);
  fill("force", options.force);
  fill_from_config(app, config, "triton-backend", options.triton_backend);
  config.reject_unknown();
  return options;
}

models::Model make_model(const ExportOptions& options) {
  if (options.model.empty() == options.preset.empty())
    fail(ErrorCode::InvalidArgument, "export needs either a model file or --preset NAME");
  if (!options.model.empty()) {
    if (!options.mode.empty())
      fail(ErrorCode::InvalidArgument, "--mode goes with --preset; ", options.model,
           " has the mode it was trained in");
    return models::load_model(options.model);
  }
  models::ModelConfig config = models::preset(options.preset);
  if (!options.mode.empty()) config.input_mode = edm::parse_input_mode(options.mode);
  models::Model model = models::initialise(config, options.seed);
  model.provenance["weights"] = "random, seed " + std::to_string(options.seed);
  return model;
}

/// Removes a file at the end.
class Scratch {
 public:
  explicit Scratch(std::filesystem::path path) : path_(std::move(path)) {}
  ~Scratch() {
    std::error_code ignored;
    std::filesystem::remove(path_, ignored);
  }
  Scratch(const Scratch&) = delete;
  Scratch& operator=(const Scratch&) = delete;
  const std::filesystem::path& path() const { return path_; }

 private:
  std::filesystem::path path_;
};

// Verifies before the repository is touched, so that a wrong model never gets served.
engine::VerifyReport verify(const models::Model& model, const ExportOptions& options) {
  const Scratch file(std::filesystem::path(options.repository) /
                     ("." + options.name + ".verify.onnx"));
  onnx::export_model(model, file.path());
  engine::VerifyOptions settings;
  settings.seed = mix64(options.seed);
  const auto total = static_cast<std::int64_t>(settings.levels.size() *
                                               settings.batch_sizes.size() * settings.slots.size());
  Progress progress("verify", total, "cases");
  std::int64_t done = 0;
  return engine::verify_onnx(file.path(), model, settings, [&](const engine::VerifyCase&) {
    progress.update(++done);
    if (stop_requested()) fail(ErrorCode::Cancelled, "stopped by a signal; nothing was written");
  });
}

ordered_json to_json(const engine::VerifyReport& report, const engine::VerifyOptions& limits) {
  ordered_json cases = ordered_json::array();
  for (const engine::VerifyCase& entry : report.cases)
    cases.push_back({{"optimization", static_cast<int>(entry.level)},
                     {"batch", entry.batch_size},
                     {"particles", entry.slots},
                     {"max_difference", entry.native},
                     {"max_difference_padding", entry.padding},
                     {"max_difference_order", entry.order}});
  return {{"passed", report.passed},
          {"onnxruntime", engine::onnxruntime_version()},
          {"jets", report.num_jets},
          {"tolerance", limits.tolerance},
          {"invariance_tolerance", limits.invariance_tolerance},
          {"max_difference", report.max_native},
          {"max_difference_padding", report.max_padding},
          {"max_difference_order", report.max_order},
          {"cases", cases}};
}

void print_table(const engine::VerifyReport& report) {
  std::printf(
      "max |ONNX Runtime - native|, and of ONNX Runtime with more padding and other order\n");
  std::printf("  level  batch  particles   native  padding    order\n");
  for (const engine::VerifyCase& entry : report.cases)
    std::printf("  %5d %6ld %10ld %8.1e %8.1e %8.1e\n", static_cast<int>(entry.level),
                static_cast<long>(entry.batch_size), static_cast<long>(entry.slots), entry.native,
                entry.padding, entry.order);
}

int run_export(const ExportOptions& options, bool json) {
  if (options.repository.empty()) fail(ErrorCode::InvalidArgument, "export needs --repository DIR");
  const models::Model model = make_model(options);
  const onnx::RepositoryOptions target{options.repository, options.name, options.version,
                                       options.force, options.triton_backend};
  onnx::check_repository(model.config, target);
  std::optional<engine::VerifyReport> report;
  if (options.verify) report = verify(model, options);
  const bool good = !report || report->passed;
  const std::filesystem::path folder = good ? onnx::write_repository(model, target) : "";

  if (json) {
    ordered_json document;
    document["name"] = options.name;
    document["version"] = options.version;
    document["network"] = models::network_name(model.config.network);
    document["input_mode"] = edm::input_mode_name(model.config.input_mode);
    document["fingerprint"] = models::fingerprint(model);
    document["opset"] = onnx::kOpset;
    document["written"] = good;
    if (good) {
      document["onnx"] = (folder / "model.onnx").string();
      document["weights"] = (folder / "model.jetcal").string();
      document["config"] = (folder.parent_path() / "config.pbtxt").string();
    }
    if (report) document["verify"] = to_json(*report, {});
    print_json(document);
  } else {
    if (report) print_table(*report);
    if (good)
      std::printf("%s %s: model.onnx, model.jetcal; fingerprint %s\n", folder.c_str(),
                  std::string(models::network_name(model.config.network)).c_str(),
                  models::fingerprint(model).c_str());
  }
  if (!good)
    fail(ErrorCode::Internal,
         "ONNX Runtime does not agree with the native forward pass: ", report->max_native,
         " between them (limit 1e-4), ", report->max_padding, " for padding and ",
         report->max_order, " for the order of particles (limit 1e-5); nothing was written");
  return 0;
}

}  // namespace

Verb make_export_verb() {
  return {"export", "write a model repository with ONNX and config.pbtxt",
          [](CLI::App& app, CommonOptions& common) -> std::function<int()> {
            // Shared by the flags and the work, which outlives this function.
            auto options = std::make_shared<ExportOptions>();
            app.add_option("--model,model", options->model,
                           "model file (*.jetcal) that training wrote");
            app.add_option("--preset", options->preset,
                           "export a network with random weights instead: paper-pfn, ...");
            app.add_option("--mode", options->mode, "input mode of --preset: paper, constituents");
            app.add_option("--seed", options->seed, "seed of --preset's weights and of --verify");
            app.add_option("--repository", options->repository, "model repository to write into");
            app.add_option("--name", options->name, "name of the model");
            app.add_option("--version", options->version, "version to write");
            app.add_flag("--verify", options->verify,
                         "run ONNX Runtime against the native forward pass first");
            app.add_flag("--triton-backend", options->triton_backend,
                         "config.pbtxt for libtriton_jetcal.so inside Triton");
            app.add_flag("--force", options->force, "replace a version that is there");
            return [&app, &common, options] {
              return run_export(with_config(app, common, *options), common.json);
            };
          }};
}

}  // namespace jetcal::cli
