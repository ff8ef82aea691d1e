// SPDX-License-Identifier: Apache-2.0
#include "jetcal/server/load_generator.h"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cmath>
#include <mutex>
#include <nlohmann/json.hpp>
#include <numeric>
#include <thread>

#include "jetcal/base/error.h"
#include "jetcal/base/random.h"
#include "jetcal/engine/padded_batch.h"
#include "jetcal/engine/ragged_batch.h"
#include "jetcal/engine/sample_jets.h"
#include "jetcal/server/http_client.h"

namespace jetcal::server {
namespace {

using Clock = std::chrono::steady_clock;
using nlohmann::ordered_json;

constexpr std::int64_t kMaxConnections = 10000;

std::chrono::milliseconds timeout_of(const LoadOptions& options) {
  return std::chrono::milliseconds(static_cast<std::int64_t>(options.timeout_seconds * 1000));
}

std::string model_path(const LoadOptions& options) {
  return "/v2/models/" + options.model +
         (options.version.empty() ? "" : "/versions/" + options.version);
}

ordered_json get_json(HttpClient& client, const std::string& path) {
  const HttpResult result = client.request("GET", path);
  ordered_json document = ordered_json::parse(result.body, nullptr, false);
  if (result.status == 200 && !document.is_discarded()) return document;
  const bool told = document.is_object() && document.contains("error");
  fail(result.status == 404 || result.status == 400 ? ErrorCode::NotFound : ErrorCode::Unavailable,
       "the server answers ", result.status, " to GET ", path,
       told ? ": " + document["error"].get<std::string>() : "");
}

// A request that is sent again and again.
struct Payload {
  std::string json;
  std::vector<engine::Tensor> tensors;
  std::vector<std::string_view> parts;
  std::vector<HttpHeader> headers;
};

bool is_jet_network(const ordered_json& metadata) {
  return std::any_of(metadata["inputs"].begin(), metadata["inputs"].end(),
                     [](const ordered_json& input) { return input["name"] == "pf_mask"; });
}

// Jets for a network of jetcal, zeros for any other model, whose open sizes are 1.
std::vector<engine::Tensor> make_tensors(const LoadOptions& options, const ordered_json& metadata,
                                         std::int64_t batch_size) {
  if (is_jet_network(metadata)) {
    edm::InputOptions inputs;
    const bool points = std::any_of(metadata["inputs"].begin(), metadata["inputs"].end(),
                                    [](const auto& input) { return input["name"] == "pf_points"; });
    for (const ordered_json& input : metadata["inputs"]) {
      if (input["name"] == "pf_features" && input["shape"].at(1) != edm::kNumParticleFeatures)
        inputs.features = edm::FeatureSet::Extended;
    }
    const edm::FeatureBatch jets = engine::sample_jets(batch_size, options.min_particles,
                                                       options.max_particles, options.seed, inputs);
    if (options.ragged) return engine::make_ragged(jets.view());
    return engine::pad(jets.view(), options.max_particles,
                       points ? models::Network::ParticleNet : models::Network::Pfn);
  }
  if (options.ragged)
    fail(ErrorCode::InvalidArgument, "the model '", options.model,
         "' is no jet network: it takes no ragged requests");
  std::vector<engine::Tensor> tensors;
  for (const ordered_json& input : metadata["inputs"]) {
    engine::Tensor tensor;
    tensor.name = input["name"].get<std::string>();
    const auto type = engine::parse_data_type(input["datatype"].get<std::string>());
    if (!type || *type == engine::DataType::Bytes)
      fail(ErrorCode::InvalidArgument, "the input '", tensor.name, "' is not of numbers");
    tensor.type = *type;
    for (const ordered_json& size : input["shape"])
      tensor.shape.push_back(size.get<std::int64_t>() < 0 ? (tensor.shape.empty() ? batch_size : 1)
                                                          : size.get<std::int64_t>());
    const auto count = engine::element_count(tensor.shape).value_or(0);
    tensor.data.resize(static_cast<std::size_t>(count) * engine::data_type_size(*type));
    tensors.push_back(std::move(tensor));
  }
  return tensors;
}

Payload make_payload(const LoadOptions& options, const ordered_json& metadata,
                     std::int64_t batch_size) {
  Payload payload;
  payload.tensors = make_tensors(options, metadata, batch_size);
  ordered_json document = {{"parameters", {{"binary_data_output", true}}},
                           {"inputs", ordered_json::array()}};
  for (const engine::Tensor& tensor : payload.tensors)
    document["inputs"].push_back({{"name", tensor.name},
                                  {"shape", tensor.shape},
                                  {"datatype", engine::data_type_name(tensor.type)},
                                  {"parameters", {{"binary_data_size", tensor.data.size()}}}});
  payload.json = document.dump();
  payload.parts.push_back(payload.json);
  for (const engine::Tensor& tensor : payload.tensors)
    payload.parts.emplace_back(reinterpret_cast<const char*>(tensor.data.data()),
                               tensor.data.size());
  payload.headers = {{"Inference-Header-Content-Length", std::to_string(payload.json.size())}};
  return payload;
}

// Sums of the server's statistics, to be subtracted from later ones.
struct ServerSums {
  double infer_ns = 0, infer_count = 0, queue_ns = 0, queue_count = 0, jets = 0, executions = 0;
};

ServerSums server_sums(HttpClient& client, const LoadOptions& options) {
  const ordered_json all = get_json(client, model_path(options) + "/stats");
  ServerSums sums;
  for (const ordered_json& model : all["model_stats"]) {
    const ordered_json& parts = model["inference_stats"];
    sums.infer_ns += parts["compute_infer"]["ns"].get<double>();
    sums.infer_count += parts["compute_infer"]["count"].get<double>();
    sums.queue_ns += parts["queue"]["ns"].get<double>();
    sums.queue_count += parts["queue"]["count"].get<double>();
    sums.jets += model["inference_count"].get<double>();
    sums.executions += model["execution_count"].get<double>();
  }
  return sums;
}

// The times at which requests are due in an open loop, in seconds from the start.
std::vector<double> arrivals(double rate, double seconds, std::uint64_t seed) {
  Rng rng(seed);
  std::vector<double> times;
  for (double time = rng.exponential() / rate; time < seconds; time += rng.exponential() / rate)
    times.push_back(time);
  return times;
}

class Clients {
 public:
  Clients(const LoadOptions& options, const Payload& payload)
      : options_(options), payload_(payload), path_(model_path(options) + "/infer") {}

  // Keeps the connections busy for a time; latencies in microseconds.
  std::vector<double> run(double seconds, std::map<std::string, std::int64_t>& failed) {
    const Clock::time_point begin = Clock::now();
    const std::vector<double> due =
        options_.rate > 0 ? arrivals(options_.rate, seconds, options_.seed) : std::vector<double>();
    std::atomic<std::size_t> next{0};
    std::vector<double> latencies;
    std::vector<std::thread> threads;
    for (int i = 0; i < options_.connections; ++i) {
      threads.emplace_back([&] {
        std::vector<double> own;
        std::map<std::string, std::int64_t> own_failed;
        if (options_.rate > 0) {
          open_loop(begin, due, next, own, own_failed);
        } else {
          closed_loop(begin + to_duration(seconds), own, own_failed);
        }
        const std::lock_guard lock(mutex_);
        latencies.insert(latencies.end(), own.begin(), own.end());
        for (const auto& [what, count] : own_failed) failed[what] += count;
      });
    }
    for (std::thread& thread : threads) thread.join();
    return latencies;
  }

 private:
  static Clock::duration to_duration(double seconds) {
    return std::chrono::duration_cast<Clock::duration>(std::chrono::duration<double>(seconds));
  }

  void ask(HttpClient& client, Clock::time_point due, std::vector<double>& latencies,
           std::map<std::string, std::int64_t>& failed) const {
    try {
      const HttpResult result = client.request("POST", path_, payload_.headers, payload_.parts);
      if (result.status != 200) {
        ++failed[std::to_string(result.status)];
        return;
      }
    } catch (const Error& error) {
      ++failed[std::string(error_code_name(error.code()))];
      return;
    }
    latencies.push_back(std::chrono::duration<double, std::micro>(Clock::now() - due).count());
  }

  void closed_loop(Clock::time_point end, std::vector<double>& latencies,
                   std::map<std::string, std::int64_t>& failed) const {
    HttpClient client(options_.host, options_.port, timeout_of(options_));
    for (Clock::time_point now = Clock::now(); now < end; now = Clock::now())
      ask(client, now, latencies, failed);
  }

  void open_loop(Clock::time_point begin, const std::vector<double>& due,
                 std::atomic<std::size_t>& next, std::vector<double>& latencies,
                 std::map<std::string, std::int64_t>& failed) const {
    HttpClient client(options_.host, options_.port, timeout_of(options_));
    for (std::size_t i = next++; i < due.size(); i = next++) {
      const Clock::time_point time = begin + to_duration(due[i]);
      std::this_thread::sleep_until(time);
      ask(client, time, latencies, failed);
    }
  }

  const LoadOptions& options_;
  const Payload& payload_;
  const std::string path_;
  std::mutex mutex_;
};

double percentile(const std::vector<double>& sorted, double q) {
  if (sorted.empty()) return 0;
  const auto rank = static_cast<std::size_t>(std::ceil(q * static_cast<double>(sorted.size())));
  return sorted[std::clamp<std::size_t>(rank, 1, sorted.size()) - 1];
}

void fill_latencies(std::vector<double> latencies, LoadResult& result) {
  std::sort(latencies.begin(), latencies.end());
  result.requests = static_cast<std::int64_t>(latencies.size());
  if (latencies.empty()) return;
  result.mean = std::accumulate(latencies.begin(), latencies.end(), 0.0) /
                static_cast<double>(latencies.size());
  result.p50 = percentile(latencies, 0.5);
  result.p90 = percentile(latencies, 0.9);
  result.p95 = percentile(latencies, 0.95);
  result.p99 = percentile(latencies, 0.99);
  result.p999 = percentile(latencies, 0.999);
  result.max = latencies.back();
}

LoadResult measure(const LoadOptions& options, const ordered_json& metadata, HttpClient& client,
                   std::int64_t batch_size) {
  const Payload payload = make_payload(options, metadata, batch_size);
  Clients clients(options, payload);
  LoadResult result;
  result.batch_size = batch_size;
  std::map<std::string, std::int64_t> ignored;
  if (options.warmup_seconds > 0) clients.run(options.warmup_seconds, ignored);
  const ServerSums before = server_sums(client, options);
  const Clock::time_point begin = Clock::now();
  fill_latencies(clients.run(options.seconds, result.failed), result);
  result.seconds = std::chrono::duration<double>(Clock::now() - begin).count();
  const ServerSums after = server_sums(client, options);
  result.requests_per_second = static_cast<double>(result.requests) / result.seconds;
  result.jets_per_second = result.requests_per_second * static_cast<double>(batch_size);
  const double inferred = after.infer_count - before.infer_count;
  if (inferred > 0) result.inference = (after.infer_ns - before.infer_ns) / inferred / 1000;
  const double queued = after.queue_count - before.queue_count;
  if (queued > 0) result.queue = (after.queue_ns - before.queue_ns) / queued / 1000;
  const double executions = after.executions - before.executions;
  if (executions > 0) result.jets_per_execution = (after.jets - before.jets) / executions;
  result.overhead = result.mean - result.inference;
  return result;
}

}  // namespace

void validate(const LoadOptions& options) {
  const auto check = [](bool good, const char* field, auto value) {
    if (!good) fail(ErrorCode::InvalidArgument, field, " is out of range: ", value);
  };
  check(!options.model.empty(), "model-name", "(empty)");
  check(!options.batch_sizes.empty(), "batch-sizes", "(none)");
  for (const std::int64_t size : options.batch_sizes) check(size >= 1, "batch-sizes", size);
  check(options.connections >= 1 && options.connections <= kMaxConnections, "connections",
        options.connections);
  check(options.seconds > 0, "seconds", options.seconds);
  check(options.rate >= 0, "rate", options.rate);
  check(options.min_particles >= 0 && options.min_particles <= options.max_particles,
        "min-particles", options.min_particles);
  check(options.max_particles >= 1, "max-particles", options.max_particles);
  check(options.timeout_seconds > 0, "timeout", options.timeout_seconds);
}

std::vector<LoadResult> generate_load(const LoadOptions& options,
                                      const std::function<void(const LoadResult&)>& progress) {
  validate(options);
  HttpClient client(options.host, options.port, timeout_of(options));
  const ordered_json metadata = get_json(client, model_path(options));
  std::vector<LoadResult> results;
  for (const std::int64_t batch_size : options.batch_sizes) {
    results.push_back(measure(options, metadata, client, batch_size));
    if (progress) progress(results.back());
  }
  return results;
}

}  // namespace jetcal::server
