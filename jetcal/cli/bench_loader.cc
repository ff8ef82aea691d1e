// SPDX-License-Identifier: Apache-2.0
#include "jetcal/cli/bench_loader.h"

#include <chrono>
#include <fstream>
#include <span>
#include <vector>

#include "jetcal/base/error.h"
#include "jetcal/base/threads.h"
#include "jetcal/cli/bench_jets.h"
#include "jetcal/data/dataset.h"
#include "jetcal/train/batch_loader.h"
#include "jetcal/train/jet_source.h"
#include "jetcal/train/learner.h"

namespace jetcal::cli {
namespace {

using nlohmann::ordered_json;
using Clock = std::chrono::steady_clock;

double seconds_since(Clock::time_point begin) {
  return std::chrono::duration<double>(Clock::now() - begin).count();
}

// The rows of an epoch: the whole sample in a new order, as often as it takes.
std::vector<std::int64_t> rows_of_epoch(std::int64_t num_jets, const LoaderBenchOptions& options,
                                        std::int64_t epoch) {
  std::vector<std::int64_t> rows;
  rows.reserve(static_cast<std::size_t>(options.jets + num_jets));
  for (std::int64_t part = 0; std::ssize(rows) < options.jets; ++part) {
    const std::vector<std::int64_t> order =
        data::epoch_order(num_jets, options.seed + static_cast<std::uint64_t>(part), epoch);
    rows.insert(rows.end(), order.begin(), order.end());
  }
  rows.resize(static_cast<std::size_t>(options.jets));
  return rows;
}

// Memory of this process by kind: what it allocated, and what it maps of files.
ordered_json memory() {
  std::ifstream status("/proc/self/status");
  ordered_json result;
  for (std::string word; status >> word;) {
    double kilobytes = 0;
    if (word == "RssAnon:" && status >> kilobytes) result["allocated_mb"] = kilobytes / 1024;
    if (word == "RssFile:" && status >> kilobytes) result["mapped_mb"] = kilobytes / 1024;
  }
  return result;
}

// One thread, no loader: what a batch costs to make.
ordered_json read_directly(const train::JetSource& source, const LoaderBenchOptions& options) {
  const std::vector<std::int64_t> rows = rows_of_epoch(source.num_jets(), options, 0);
  edm::FeatureBatch batch;
  std::int64_t done = 0;
  const Clock::time_point begin = Clock::now();
  while (done + options.batch <= std::ssize(rows) && seconds_since(begin) < 2) {
    batch.clear();
    source.append_features(std::span(rows).subspan(done, options.batch), batch);
    done += options.batch;
  }
  const double seconds = seconds_since(begin);
  return {{"jets", done}, {"jets_per_s", static_cast<double>(done) / seconds}};
}

ordered_json read_epoch(const train::JetSource& source, const LoaderBenchOptions& options,
                        std::int64_t epoch) {
  train::BatchLoader loader(source, rows_of_epoch(source.num_jets(), options, epoch),
                            options.batch);
  const Clock::time_point begin = Clock::now();
  std::int64_t jets = 0;
  std::int64_t particles = 0;
  while (const edm::FeatureBatch* const batch = loader.next()) {
    jets += batch->num_jets();
    particles += batch->num_particles();
  }
  const double seconds = seconds_since(begin);
  ordered_json result = {{"epoch", epoch},
                         {"jets", jets},
                         {"particles", particles},
                         {"seconds", seconds},
                         {"cpu_seconds", loader.cpu_seconds()},
                         {"jets_per_s", static_cast<double>(jets) / seconds}};
  result.update(memory());
  return result;
}

ordered_json feed_training(const train::JetSource& source, const LoaderBenchOptions& options) {
  train::Learner learner(bench_model(options.network, options.seed),
                         {train::OptimizerKind::Adam, 1e-3, std::nullopt});
  train::BatchLoader loader(source, rows_of_epoch(source.num_jets(), options, 0), options.batch);
  learner.step(*loader.next(), 0, 1e-3);  // warms up
  const double waited_before = loader.wait_seconds();
  const double cpu_before = loader.cpu_seconds();
  double step_seconds = 0;
  std::int64_t steps = 0;
  const Clock::time_point begin = Clock::now();
  for (; steps < options.steps; ++steps) {
    const edm::FeatureBatch* const batch = loader.next();
    if (batch == nullptr) break;
    const Clock::time_point start = Clock::now();
    learner.step(*batch, 0, 1e-3);
    step_seconds += seconds_since(start);
  }
  const double seconds = seconds_since(begin);
  const double waited = loader.wait_seconds() - waited_before;
  const double cpu = loader.cpu_seconds() - cpu_before;
  return {{"network", options.network}, {"threads", num_threads()},
          {"batch", options.batch},     {"steps", steps},
          {"seconds", seconds},         {"step_seconds", step_seconds},
          {"wait_seconds", waited},     {"wait_share", waited / step_seconds},
          {"reading_cpu_seconds", cpu}, {"reading_share", cpu / step_seconds}};
}

}  // namespace

ordered_json bench_loader(const LoaderBenchOptions& options) {
  if (options.data.empty())
    fail(ErrorCode::InvalidArgument, "jetcal bench loader needs --data DIR");
  const train::JetSources sources =
      train::open_shards(options.data, edm::parse_input_mode(options.mode));
  const train::JetSource& source = *sources.train;
  ordered_json document = {{"jets_in_sample", source.num_jets()},
                           {"jets_an_epoch", options.jets},
                           {"mode", options.mode},
                           {"batch", options.batch}};
  document["one_thread"] = read_directly(source, options);
  document["epochs"] = ordered_json::array();
  for (std::int64_t epoch = 0; epoch < options.epochs; ++epoch)
    document["epochs"].push_back(read_epoch(source, options, epoch));
  document["training"] = feed_training(source, options);
  return document;
}

}  // namespace jetcal::cli
