// SPDX-License-Identifier: Apache-2.0
// jetcal bench: times jetcal beside its peers, in one run and on the same jets.
#include <unistd.h>

#include <chrono>
#include <cstdio>
#include <filesystem>
#include <memory>

#include "jetcal/base/cpu.h"
#include "jetcal/base/files.h"
#include "jetcal/base/progress.h"
#include "jetcal/base/threads.h"
#include "jetcal/base/version.h"
#include "jetcal/cli/verb.h"
#include "jetcal/engine/inference_bench.h"
#include "jetcal/engine/onnx_session.h"
#ifdef JETCAL_HAS_EXPORT
#include "jetcal/onnx/export.h"
#endif

namespace jetcal::cli {
namespace {

using nlohmann::ordered_json;

struct BenchOptions {
  std::string name;
  std::vector<std::string> networks{"paper-pfn", "paper-particlenet"};
  engine::InferenceBenchOptions inference;
};

BenchOptions with_config(const CLI::App& app, const CommonOptions& common, BenchOptions options) {
  const Config config = load_config(common);
  const auto fill = [&](const std::string& name, auto& value) {
    const auto configured = config.get(name, value);
    if (app.count("--" + name) == 0) value = configured;
  };
  fill("networks", options.networks);
  fill("batches", options.inference.batch_sizes);
  fill("min-particles", options.inference.min_particles);
  fill("max-particles", options.inference.max_particles);
  fill("seconds", options.inference.seconds);
  fill("seed", options.inference.seed);
  config.reject_unknown();
  return options;
}

/// A folder of this process that goes at the end.
class ScratchFolder {
 public:
  ScratchFolder() {
    std::string path = (std::filesystem::temp_directory_path() / "jetcal-bench-XXXXXX").string();
    if (::mkdtemp(path.data()) == nullptr)
      fail(ErrorCode::ResourceExhausted, "cannot make a folder like ", path);
    path_ = path;
  }
  ~ScratchFolder() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  ScratchFolder(const ScratchFolder&) = delete;
  ScratchFolder& operator=(const ScratchFolder&) = delete;
  const std::filesystem::path& path() const { return path_; }

 private:
  std::filesystem::path path_;
};

// A preset with random weights, or a model file: the time does not depend on the weights.
models::Model network(const std::string& name, std::uint64_t seed) {
  if (name.ends_with(".jetcal")) return models::load_model(name);
  return models::initialise(models::preset(name), seed);
}

void export_to([[maybe_unused]] const models::Model& model,
               [[maybe_unused]] const std::filesystem::path& path) {
#ifdef JETCAL_HAS_EXPORT
  onnx::export_model(model, path);
#else
  fail(ErrorCode::Unimplemented, "this build was made without protobuf, which the export needs");
#endif
}

ordered_json latency_json(const engine::Latency& latency) {
  return {{"p50_us", latency.p50},
          {"p10_us", latency.p10},
          {"p90_us", latency.p90},
          {"jets_per_s", latency.jets_per_second}};
}

ordered_json case_json(const std::string& name, const engine::InferenceBenchCase& entry) {
  return {{"network", name},
          {"batch", entry.batch_size},
          {"particles_per_jet", entry.particles_per_jet},
          {"padded_to", entry.slots},
          {"rounds", entry.rounds},
          {"native", latency_json(entry.native)},
          {"onnxruntime", latency_json(entry.onnxruntime)},
          {"speedup", entry.onnxruntime.p50 / entry.native.p50},
          {"ranges_overlap",
           entry.native.p90 >= entry.onnxruntime.p10 && entry.onnxruntime.p90 >= entry.native.p10},
          {"max_difference", entry.max_difference}};
}

void print_table(const ordered_json& document) {
  std::printf(
      "%s, %s, %s, %d threads, ONNX Runtime %s\n", document["cpu"].get<std::string>().c_str(),
      document["isa"].get<std::string>().c_str(), document["commit"].get<std::string>().c_str(),
      document["threads"].get<int>(), document["onnxruntime"].get<std::string>().c_str());
  std::printf("  %-18s %6s %9s | %10s %10s | %10s %10s | %7s\n", "network", "batch", "particles",
              "native us", "jets/s", "ORT us", "jets/s", "speedup");
  for (const ordered_json& entry : document["cases"])
    std::printf("  %-18s %6d %9.1f | %10.1f %10.0f | %10.1f %10.0f | %7.2f\n",
                entry["network"].get<std::string>().c_str(), entry["batch"].get<int>(),
                entry["particles_per_jet"].get<double>(), entry["native"]["p50_us"].get<double>(),
                entry["native"]["jets_per_s"].get<double>(),
                entry["onnxruntime"]["p50_us"].get<double>(),
                entry["onnxruntime"]["jets_per_s"].get<double>(), entry["speedup"].get<double>());
}

int run_inference(const BenchOptions& options, bool json) {
  const auto begin = std::chrono::steady_clock::now();
  const ScratchFolder folder;
  ordered_json document;
  document["benchmark"] = "inference";
  document["version"] = version();
  document["commit"] = commit();
  document["cpu"] = cpu_model();
  document["isa"] = isa_name(active_isa());
  document["threads"] = num_threads();
  document["onnxruntime"] = engine::onnxruntime_version();
  document["cases"] = ordered_json::array();
  Progress progress("bench", static_cast<std::int64_t>(options.networks.size()), "networks");
  for (std::size_t i = 0; i < options.networks.size(); ++i) {
    const std::string& name = options.networks[i];
    const models::Model model = network(name, options.inference.seed);
    const std::filesystem::path file = folder.path() / "model.onnx";
    export_to(model, file);
    for (const auto& entry : engine::bench_inference(model, file, options.inference))
      document["cases"].push_back(case_json(name, entry));
    progress.update(static_cast<std::int64_t>(i) + 1, name);
  }
  progress.finish();
  const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - begin;
  document["seconds"] = seconds.count();
  if (json) {
    print_json(document);
  } else {
    print_table(document);
  }
  return 0;
}

}  // namespace

Verb make_bench_verb() {
  return {
      "bench", "time jetcal beside its peers",
      [](CLI::App& app, CommonOptions& common) -> std::function<int()> {
        // Shared by the flags and the work, which outlives this function.
        auto options = std::make_shared<BenchOptions>();
        engine::InferenceBenchOptions& inference = options->inference;
        app.add_option("name", options->name, "what to time: inference")->required();
        app.add_option("--networks", options->networks, "presets or model files")->delimiter(',');
        app.add_option("--batches", inference.batch_sizes, "jets a call")->delimiter(',');
        app.add_option("--min-particles", inference.min_particles, "particles a jet, least");
        app.add_option("--max-particles", inference.max_particles, "particles a jet, most");
        app.add_option("--seconds", inference.seconds, "time a network and batch size");
        app.add_option("--seed", inference.seed, "seed of weights and jets");
        return [&app, &common, options] {
          const BenchOptions chosen = with_config(app, common, *options);
          if (chosen.name == "inference") return run_inference(chosen, common.json);
          fail(ErrorCode::InvalidArgument, "there is no benchmark '", chosen.name,
               "'; known: inference");
        };
      }};
}

}  // namespace jetcal::cli
