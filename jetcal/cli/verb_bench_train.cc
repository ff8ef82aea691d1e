// SPDX-License-Identifier: Apache-2.0
// jetcal bench train, loader, network and jets: times training steps and their input, and makes
// what every engine is given.
#include <sys/resource.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <iostream>
#include <memory>
#include <vector>

#include "jetcal/base/cpu.h"
#include "jetcal/base/files.h"
#include "jetcal/base/threads.h"
#include "jetcal/base/version.h"
#include "jetcal/cli/bench_jets.h"
#include "jetcal/cli/bench_loader.h"
#include "jetcal/cli/verb.h"
#include "jetcal/data/dataset.h"
#include "jetcal/models/predictor.h"
#include "jetcal/train/batch_loader.h"
#include "jetcal/train/learner.h"

namespace jetcal::cli {
namespace {

using nlohmann::ordered_json;
using Clock = std::chrono::steady_clock;

struct TrainBenchOptions {
  std::string name, network = "pn-best", jets, data, output, optimizer = "adam", mode = "paper";
  std::int64_t num_jets = 4000, particles = 0, batch = 500, rounds = 5, steps = 2, epochs = 3;
  std::uint64_t seed = 1;
  double learning_rate = 1e-3;
  bool loader = false, worker = false;
};

TrainBenchOptions with_config(const CLI::App& app, const CommonOptions& common,
                              TrainBenchOptions options) {
  const Config config = load_config(common);
  const auto fill = [&](const char* name, auto& value) {
    fill_from_config(app, config, name, value);
  };
  fill("network", options.network);
  fill("jets", options.jets);
  fill("data", options.data);
  fill("mode", options.mode);
  fill("output", options.output);
  fill("optimizer", options.optimizer);
  fill("num-jets", options.num_jets);
  fill("particles", options.particles);
  fill("batch", options.batch);
  fill("rounds", options.rounds);
  fill("epochs", options.epochs);
  fill("steps", options.steps);
  fill("seed", options.seed);
  fill("lr", options.learning_rate);
  config.reject_unknown();
  for (const auto& [field, value] : {std::pair{"num-jets", options.num_jets},
                                     {"batch", options.batch},
                                     {"rounds", options.rounds},
                                     {"steps", options.steps}}) {
    if (value < 1) fail(ErrorCode::InvalidArgument, field, " must be at least 1, got ", value);
  }
  return options;
}

double seconds_since(Clock::time_point begin) {
  return std::chrono::duration<double>(Clock::now() - begin).count();
}

edm::FeatureBatch get_jets(const TrainBenchOptions& options) {
  if (!options.jets.empty()) return load_bench_jets(options.jets);
  if (!options.data.empty()) {
    const data::Dataset shards = data::Dataset::open(options.data, data::Split::Train);
    std::vector<std::int64_t> rows = data::epoch_order(shards.num_jets(), options.seed, 0);
    rows.resize(std::min(std::ssize(rows), options.num_jets));
    edm::FeatureBatch jets;
    shards.append_features(rows, edm::parse_input_mode(options.mode), jets);
    return jets;
  }
  if (options.particles > 0)
    return make_even_jets(options.num_jets, options.particles, options.seed);
  return make_bench_jets(options.num_jets, options.seed);
}

/// Jets in memory as a source of the loader.
class MemorySource : public train::JetSource {
 public:
  explicit MemorySource(const edm::FeatureBatch& jets) : jets_(jets) {}
  std::int64_t num_jets() const override { return jets_.num_jets(); }
  void append_features(std::span<const std::int64_t> rows, edm::FeatureBatch& out) const override {
    for (const std::int64_t row : rows) {
      const edm::FeatureBatch one = slice_jets(jets_, row, 1);
      out.points.insert(out.points.end(), one.points.begin(), one.points.end());
      out.particles.insert(out.particles.end(), one.particles.begin(), one.particles.end());
      out.jets.insert(out.jets.end(), one.jets.begin(), one.jets.end());
      out.target.push_back(one.target.front());
      out.offsets.push_back(out.offsets.back() + one.num_particles());
    }
  }
  std::string fingerprint() const override { return "0"; }
  std::string name() const override { return "benchmark jets"; }

 private:
  const edm::FeatureBatch& jets_;
};

/// Steps of one learner over the same batches again and again.
class TrainBench {
 public:
  explicit TrainBench(const TrainBenchOptions& options)
      : options_(options),
        jets_(get_jets(options)),
        source_(jets_),
        start_(bench_model(options.network, options.seed)),
        optimizer_{train::parse_optimizer(options.optimizer), options.learning_rate, {}},
        learner_(start_, optimizer_) {
    const std::int64_t count = std::max<std::int64_t>(1, jets_.num_jets() / options.batch);
    for (std::int64_t i = 0; i < count; ++i)
      batches_.push_back(slice_jets(jets_, i * options.batch, options.batch));
  }

  ordered_json description() const {
    return {{"version", version()},
            {"commit", commit()},
            {"cpu", cpu_model()},
            {"isa", isa_name(active_isa())},
            {"network", options_.network},
            {"configuration", models::to_json(start_.config)},
            {"parameters", start_.layout.num_parameters},
            {"batch", options_.batch},
            {"optimizer", options_.optimizer},
            {"loader", options_.loader},
            {"threads", num_threads()},
            {"particles_per_jet",
             static_cast<double>(jets_.num_particles()) / static_cast<double>(jets_.num_jets())},
            {"macs_per_jet", mean_macs(start_.config, jets_)}};
  }

  // One round: `steps` steps, timed one by one.
  ordered_json round(std::int64_t steps) {
    std::vector<double> seconds;
    std::vector<double> losses;
    std::int64_t jets = 0;
    const Clock::time_point begin = Clock::now();
    for (std::int64_t step = 0; step < steps; ++step) {
      const Clock::time_point start = Clock::now();
      const edm::FeatureBatch& batch = next_batch();
      const train::StepOutcome outcome = learner_.step(batch, 0, options_.learning_rate);
      seconds.push_back(seconds_since(start));
      if (!outcome.finite()) fail(ErrorCode::Internal, "the step ended in values not finite");
      losses.push_back(outcome.loss);
      jets += batch.num_jets();
    }
    return {
        {"seconds", seconds_since(begin)}, {"steps", seconds}, {"jets", jets}, {"loss", losses}};
  }

  // One step with the next batch; its loss, and the gradient of the update into a file.
  ordered_json step(const std::string& gradient_file) {
    const train::StepOutcome outcome = learner_.step(next_batch(), 0, options_.learning_rate);
    if (!outcome.finite()) fail(ErrorCode::Internal, "the step ended in values not finite");
    const std::span<const float> gradient = learner_.last_gradient();
    if (!gradient_file.empty())
      write_file(gradient_file,
                 {reinterpret_cast<const char*>(gradient.data()), gradient.size() * sizeof(float)});
    return {{"loss", outcome.loss}};
  }

  // Loss and gradient of the first batch at the first weights, for comparison with other engines.
  ordered_json check(const std::string& gradient_file) {
    std::vector<float> gradient(start_.parameters.size());
    train::Learner fresh(start_, optimizer_);
    const double loss = fresh.gradient(batches_.front(), 0, gradient);
    if (!gradient_file.empty())
      write_file(gradient_file,
                 {reinterpret_cast<const char*>(gradient.data()), gradient.size() * sizeof(float)});
    return {{"loss", loss}};
  }

  // Outputs of the first jets with running statistics, as a server computes them.
  ordered_json predict(std::int64_t num_jets) const {
    const edm::FeatureBatch jets = slice_jets(jets_, 0, num_jets);
    std::vector<float> y(num_jets);
    models::Predictor(start_).predict(jets.view(), y);
    return {{"y", y}};
  }

 private:
  const edm::FeatureBatch& next_batch() {
    if (!options_.loader) return batches_[next_++ % batches_.size()];
    if (loader_) {
      if (const edm::FeatureBatch* const batch = loader_->next()) return *batch;
    }
    loader_ = std::make_unique<train::BatchLoader>(
        source_, data::epoch_order(source_.num_jets(), options_.seed, epoch_++), options_.batch);
    return *loader_->next();
  }

  TrainBenchOptions options_;
  edm::FeatureBatch jets_;
  MemorySource source_;
  models::Model start_;
  train::OptimizerOptions optimizer_;
  train::Learner learner_;
  std::vector<edm::FeatureBatch> batches_;
  std::unique_ptr<train::BatchLoader> loader_;
  std::size_t next_ = 0;
  std::int64_t epoch_ = 0;
};

double peak_rss_mb() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  return static_cast<double>(usage.ru_maxrss) / 1024;
}

// Answers requests, one JSON document a line, until standard input ends.
int serve_requests(TrainBench& bench) {
  std::cout << bench.description().dump() << std::endl;
  std::string line;
  while (std::getline(std::cin, line)) {
    const auto request = nlohmann::json::parse(line, nullptr, false);
    const std::string what = request.is_object() ? request.value("do", "") : "";
    ordered_json reply;
    if (what == "round") {
      reply = bench.round(request.value("steps", 1));
    } else if (what == "step") {
      reply = bench.step(request.value("gradient", ""));
    } else if (what == "check") {
      reply = bench.check(request.value("gradient", ""));
    } else if (what == "predict") {
      reply = bench.predict(request.value("jets", 1));
    } else {
      fail(ErrorCode::InvalidArgument, "no such request: ", line);
    }
    reply["peak_rss_mb"] = peak_rss_mb();
    std::cout << reply.dump() << std::endl;
  }
  return 0;
}

int run_train(const TrainBenchOptions& options, bool json) {
  TrainBench bench(options);
  if (options.worker) return serve_requests(bench);
  ordered_json document = {{"benchmark", "train"}};
  document.update(bench.description());
  bench.round(1);  // warms up
  std::vector<double> rates;
  for (std::int64_t i = 0; i < options.rounds; ++i) {
    const ordered_json round = bench.round(options.steps);
    rates.push_back(round["jets"].get<double>() / round["seconds"].get<double>());
  }
  std::sort(rates.begin(), rates.end());
  const double gflop_per_jet = 3 * 2 * document["macs_per_jet"].get<double>() * 1e-9;
  document["rounds"] = options.rounds;
  document["steps"] = options.steps;
  document["jets_per_s"] = {
      {"best", rates.back()}, {"median", rates[rates.size() / 2]}, {"worst", rates.front()}};
  document["gflop_per_s"] = {{"best", rates.back() * gflop_per_jet},
                             {"median", rates[rates.size() / 2] * gflop_per_jet}};
  document["peak_rss_mb"] = peak_rss_mb();
  if (json) {
    print_json(document);
  } else {
    std::printf(
        "%s, batch %lld, %d threads, %s: %.1f jets/s best, %.1f median, %.1f worst, %.1f "
        "GFLOP/s, %.0f MB\n",
        options.network.c_str(), static_cast<long long>(options.batch), num_threads(),
        document["isa"].get<std::string>().c_str(), rates.back(), rates[rates.size() / 2],
        rates.front(), rates.back() * gflop_per_jet, peak_rss_mb());
  }
  return 0;
}

void require_output(const TrainBenchOptions& options) {
  if (options.output.empty())
    fail(ErrorCode::InvalidArgument, "jetcal bench ", options.name, " needs --output FILE");
}

int make_jets(const TrainBenchOptions& options, bool json) {
  require_output(options);
  const edm::FeatureBatch jets = get_jets(options);
  save_bench_jets(jets, options.output);
  const ordered_json document = {{"jets", jets.num_jets()}, {"particles", jets.num_particles()}};
  if (json) {
    print_json(document);
  } else {
    std::printf("%lld jets, %lld particles\n", static_cast<long long>(jets.num_jets()),
                static_cast<long long>(jets.num_particles()));
  }
  return 0;
}

int run_loader(const TrainBenchOptions& options, bool json) {
  const ordered_json loader =
      bench_loader({options.data, options.mode, options.network, options.num_jets, options.epochs,
                    options.batch, options.steps, options.seed});
  ordered_json document = {{"benchmark", "loader"},
                           {"version", version()},
                           {"commit", commit()},
                           {"cpu", cpu_model()},
                           {"isa", isa_name(active_isa())}};
  document.update(loader);
  if (json) {
    print_json(document);
    return 0;
  }
  std::printf("one thread %.0f jets/s\n", document["one_thread"]["jets_per_s"].get<double>());
  for (const ordered_json& epoch : document["epochs"])
    std::printf("epoch %d: %.0f jets/s, %.1f MB allocated, %.1f MB mapped\n",
                epoch["epoch"].get<int>(), epoch["jets_per_s"].get<double>(),
                epoch["allocated_mb"].get<double>(), epoch["mapped_mb"].get<double>());
  const ordered_json& training = document["training"];
  std::printf("%s: waits %.2f %% of a step, reading takes %.2f %%\n", options.network.c_str(),
              100 * training["wait_share"].get<double>(),
              100 * training["reading_share"].get<double>());
  return 0;
}

// A few steps make the running statistics and the weights those of a network in use.
int make_network(const TrainBenchOptions& options, bool json) {
  require_output(options);
  const edm::FeatureBatch jets = get_jets(options);
  train::Learner learner(
      bench_model(options.network, options.seed),
      {train::parse_optimizer(options.optimizer), options.learning_rate, std::nullopt});
  for (std::int64_t step = 0; step < options.steps; ++step)
    learner.step(slice_jets(jets, step * options.batch, options.batch), 0, options.learning_rate);
  models::save_model(learner.model(), options.output);
  const ordered_json document = {{"fingerprint", models::fingerprint(learner.model())},
                                 {"macs_per_jet", mean_macs(learner.model().config, jets)}};
  if (json) {
    print_json(document);
  } else {
    std::printf("%s\n", document["fingerprint"].get<std::string>().c_str());
  }
  return 0;
}

}  // namespace

Verb make_training_bench_verb() {
  return {"bench", "time training steps, or make the jets and networks of benchmarks",
          [](CLI::App& app, CommonOptions& common) -> std::function<int()> {
            // Shared by the flags and the work, which outlives this function.
            auto options = std::make_shared<TrainBenchOptions>();
            app.add_option("name", options->name, "what to do: train, loader, network or jets")
                ->required();
            app.add_option("--network", options->network,
                           "pfn-best, pfn-large, pn-small, pn-best, pn-large, a preset, a "
                           "configuration (.json) or a model file (.jetcal)");
            app.add_option("--jets", options->jets, "file that 'jetcal bench jets' wrote");
            app.add_option("--data", options->data, "folder of shards to take jets from");
            app.add_option("--mode", options->mode, "input mode of --data: paper or constituents");
            app.add_option("--num-jets", options->num_jets, "jets to make, or of an epoch");
            app.add_option("--particles", options->particles, "particles of every jet made");
            app.add_option("--batch", options->batch, "jets a step");
            app.add_option("--rounds", options->rounds, "rounds");
            app.add_option("--epochs", options->epochs, "epochs that the loader reads");
            app.add_option("--steps", options->steps, "steps a round");
            app.add_option("--optimizer", options->optimizer,
                           "adam, adamw, adagrad, rmsprop or ranger");
            app.add_option("--lr", options->learning_rate, "learning rate");
            app.add_option("--seed", options->seed, "seed of weights and jets");
            app.add_option("--output", options->output, "file that network and jets write");
            app.add_flag("--loader", options->loader, "batches come from the loader");
            app.add_flag("--worker", options->worker,
                         "answer requests on standard input, one JSON document a line");
            return [&app, &common, options] {
              const TrainBenchOptions chosen = with_config(app, common, *options);
              if (chosen.name == "train") return run_train(chosen, common.json);
              if (chosen.name == "loader") return run_loader(chosen, common.json);
              if (chosen.name == "network") return make_network(chosen, common.json);
              if (chosen.name == "jets") return make_jets(chosen, common.json);
              fail(ErrorCode::InvalidArgument, "there is no benchmark '", chosen.name,
                   "'; known: inference, train, loader, network, jets");
            };
          }};
}

}  // namespace jetcal::cli
