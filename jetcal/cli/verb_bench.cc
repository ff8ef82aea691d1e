// SPDX-License-Identifier: Apache-2.0
// jetcal bench: times jetcal beside its peers, in one run and on the same jets.
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <filesystem>
#include <iostream>
#include <memory>
#include <vector>

#include "jetcal/base/cpu.h"
#include "jetcal/base/files.h"
#include "jetcal/base/progress.h"
#include "jetcal/base/temporary_folder.h"
#include "jetcal/base/threads.h"
#include "jetcal/base/version.h"
#include "jetcal/cli/bench_jets.h"
#include "jetcal/cli/verb.h"
#include "jetcal/engine/inference_bench.h"
#include "jetcal/engine/onnx_session.h"
#include "jetcal/models/predictor.h"
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
  bool worker = false;
  std::string jets;  // file, for the worker
  std::string precision = "float32";
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
  fill("jets", options.jets);
  fill("precision", options.precision);
  config.reject_unknown();
  options.inference.predictor.precision = kernels::parse_precision(options.precision);
  return options;
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

// The native pass on slices of a file of jets, timed call by call.
class InferenceWorker {
 public:
  explicit InferenceWorker(const BenchOptions& options)
      : jets_(options.jets.empty() ? make_bench_jets(2048, options.inference.seed)
                                   : load_bench_jets(options.jets)),
        model_(bench_model(options.networks.front(), options.inference.seed)),
        predictor_(model_, options.inference.predictor) {}

  ordered_json description() const {
    return {{"version", version()},
            {"commit", commit()},
            {"cpu", cpu_model()},
            {"isa", isa_name(active_isa())},
            {"threads", num_threads()},
            {"precision", kernels::precision_name(predictor_.options().precision)},
            {"configuration", models::to_json(model_.config)},
            {"particles_per_jet",
             static_cast<double>(jets_.num_particles()) / static_cast<double>(jets_.num_jets())},
            {"macs_per_jet", mean_macs(model_.config, jets_)}};
  }

  ordered_json predict(std::int64_t num_jets) const {
    const edm::FeatureBatch jets = slice_jets(jets_, 0, num_jets);
    std::vector<float> y(num_jets);
    predictor_.predict(jets.view(), y);
    return {{"y", y}};
  }

  // Batches follow each other through the jets, from the first one; at least `calls` of them.
  ordered_json latency(std::int64_t batch_size, double seconds, std::int64_t calls, bool warm_up) {
    if (batch_size < 1)
      fail(ErrorCode::InvalidArgument, "a batch holds at least 1 jet, not ", batch_size);
    std::vector<edm::FeatureBatch> batches;
    const std::int64_t count = std::clamp<std::int64_t>(jets_.num_jets() / batch_size, 1, 256);
    for (std::int64_t i = 0; i < count; ++i)
      batches.push_back(slice_jets(jets_, i * batch_size, batch_size));
    std::vector<float> y(batch_size);
    if (warm_up) predictor_.predict(batches.back().view(), y);
    std::vector<double> times;
    double sum = 0;
    for (std::size_t i = 0; std::ssize(times) < calls || sum < seconds; ++i) {
      const auto start = std::chrono::steady_clock::now();
      predictor_.predict(batches[i % batches.size()].view(), y);
      times.push_back(
          std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count());
      sum += times.back();
    }
    const auto num_calls = std::ssize(times);
    std::sort(times.begin(), times.end());
    return {{"p50", times[times.size() / 2]},
            {"calls", num_calls},
            {"jets_per_s", static_cast<double>(num_calls * batch_size) / sum}};
  }

 private:
  edm::FeatureBatch jets_;
  models::Model model_;
  models::Predictor predictor_;
};

// Answers requests, one JSON document a line, until standard input ends.
int serve_requests(const BenchOptions& options) {
  if (options.networks.size() != 1)
    fail(ErrorCode::InvalidArgument, "a worker runs one network, got ", options.networks.size());
  InferenceWorker worker(options);
  std::cout << worker.description().dump() << std::endl;
  std::string line;
  while (std::getline(std::cin, line)) {
    const auto request = nlohmann::json::parse(line, nullptr, false);
    const std::string what = request.is_object() ? request.value("do", "") : "";
    if (what == "predict") {
      std::cout << worker.predict(request.value("jets", 1)).dump() << std::endl;
    } else if (what == "latency") {
      std::cout << worker
                       .latency(request.value("batch", 1), request.value("seconds", 0.1),
                                request.value("calls", 1), request.value("warm_up", true))
                       .dump()
                << std::endl;
    } else {
      fail(ErrorCode::InvalidArgument, "no such request: ", line);
    }
  }
  return 0;
}

int run_inference(const BenchOptions& options, bool json) {
  const auto begin = std::chrono::steady_clock::now();
  const TemporaryFolder folder;
  ordered_json document;
  document["benchmark"] = "inference";
  document["version"] = version();
  document["commit"] = commit();
  document["cpu"] = cpu_model();
  document["isa"] = isa_name(active_isa());
  document["threads"] = num_threads();
  document["precision"] = options.precision;
  document["onnxruntime"] = engine::onnxruntime_version();
  document["cases"] = ordered_json::array();
  Progress progress("bench", static_cast<std::int64_t>(options.networks.size()), "networks");
  for (std::size_t i = 0; i < options.networks.size(); ++i) {
    const std::string& name = options.networks[i];
    const models::Model model = bench_model(name, options.inference.seed);
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
        app.add_option(
               "name", options->name,
               "what to time: inference; train, loader, network and jets have flags of their own")
            ->required();
        app.add_option("--networks", options->networks,
                       "pfn-best, pfn-large, pn-small, pn-best, pn-large, presets or model files")
            ->delimiter(',');
        app.add_option("--batches", inference.batch_sizes, "jets a call")->delimiter(',');
        app.add_option("--min-particles", inference.min_particles, "particles a jet, least");
        app.add_option("--max-particles", inference.max_particles, "particles a jet, most");
        app.add_option("--seconds", inference.seconds, "time a network and batch size");
        app.add_option("--seed", inference.seed, "seed of weights and jets");
        app.add_option("--precision", options->precision,
                       "float32, int16, int8 or bf16, of the native pass");
        app.add_option("--jets", options->jets, "file of jets, for --worker");
        app.add_flag("--worker", options->worker,
                     "answer requests on standard input, one JSON document a line");
        return [&app, &common, options] {
          const BenchOptions chosen = with_config(app, common, *options);
          if (chosen.name == "inference" && chosen.worker) return serve_requests(chosen);
          if (chosen.name == "inference") return run_inference(chosen, common.json);
          fail(ErrorCode::InvalidArgument, "there is no benchmark '", chosen.name,
               "'; known: inference, train, loader, network, jets");
        };
      }};
}

}  // namespace jetcal::cli
