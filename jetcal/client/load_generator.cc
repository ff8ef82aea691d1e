// SPDX-License-Identifier: Apache-2.0
#include "jetcal/client/load_generator.h"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <mutex>
#include <nlohmann/json.hpp>
#include <thread>

#include "jetcal/base/error.h"
#include "jetcal/engine/padded_batch.h"
#include "jetcal/engine/ragged_batch.h"
#include "jetcal/engine/sample_jets.h"

namespace jetcal::client {
namespace {

using Clock = std::chrono::steady_clock;
using nlohmann::ordered_json;

bool has_input(const ordered_json& metadata, std::string_view name) {
  const ordered_json& inputs = metadata["inputs"];
  return std::any_of(inputs.begin(), inputs.end(),
                     [name](const ordered_json& input) { return input["name"] == name; });
}

std::vector<engine::Tensor> make_jets(const LoadOptions& options, const ordered_json& metadata,
                                      std::int64_t batch_size) {
  edm::InputOptions inputs;
  for (const ordered_json& input : metadata["inputs"]) {
    if (input["name"] == "pf_features" && input["shape"].at(1) != edm::kNumParticleFeatures)
      inputs.features = edm::FeatureSet::Extended;
  }
  const edm::FeatureBatch jets = engine::sample_jets(batch_size, options.min_particles,
                                                     options.max_particles, options.seed, inputs);
  if (options.form == JetForm::Ragged || !has_input(metadata, "pf_mask"))
    return engine::make_ragged(jets.view());
  const bool points = has_input(metadata, "pf_points");
  return engine::pad(jets.view(), options.max_particles,
                     points ? models::Network::ParticleNet : models::Network::Pfn);
}

// Zeros for a model that is no jet network; its open sizes are 1, but for the batch.
std::vector<engine::Tensor> make_zeros(const ordered_json& metadata, std::int64_t batch_size) {
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

EncodedRequest make_request(const LoadOptions& options, const ordered_json& metadata,
                            std::int64_t batch_size) {
  const bool jets = has_input(metadata, "pf_mask") || has_input(metadata, engine::kCountsInput);
  if (!jets && options.form == JetForm::Ragged)
    fail(ErrorCode::InvalidArgument, "the model '", options.model,
         "' is no jet network: it takes no ragged requests");
  InferRequest request;
  request.coding = options.coding;
  request.inputs =
      jets ? make_jets(options, metadata, batch_size) : make_zeros(metadata, batch_size);
  return encode(request);
}

// Sums of the server's statistics, to be subtracted from later ones.
struct ServerSums {
  double infer_ns = 0, infer_count = 0, queue_ns = 0, queue_count = 0, jets = 0, executions = 0;
};

ServerSums server_sums(Client& client, const LoadOptions& options) {
  const ordered_json all = client.statistics(options.model, options.version);
  ServerSums sums;
  for (const ordered_json& model : all.value("model_stats", ordered_json::array())) {
    const ordered_json& parts = model.at("inference_stats");
    sums.infer_ns += parts.at("compute_infer").at("ns").get<double>();
    sums.infer_count += parts.at("compute_infer").at("count").get<double>();
    sums.queue_ns += parts.at("queue").at("ns").get<double>();
    sums.queue_count += parts.at("queue").at("count").get<double>();
    sums.jets += model.at("inference_count").get<double>();
    sums.executions += model.at("execution_count").get<double>();
  }
  return sums;
}

// What the requests of one run took, in microseconds.
struct Times {
  std::vector<double> answered, refused;
  std::map<std::string, std::int64_t> failed;

  void add(Times&& other) {
    answered.insert(answered.end(), other.answered.begin(), other.answered.end());
    refused.insert(refused.end(), other.refused.begin(), other.refused.end());
    for (const auto& [what, count] : other.failed) failed[what] += count;
  }
};

class Clients {
 public:
  Clients(Client& client, const LoadOptions& options, const EncodedRequest& request)
      : client_(client), options_(options), request_(request) {}

  // Keeps the connections busy for a time.
  Times run(double seconds) {
    const Clock::time_point begin = Clock::now();
    const std::vector<double> due = options_.rate > 0
                                        ? poisson_arrivals(options_.rate, seconds, options_.seed)
                                        : std::vector<double>();
    std::atomic<std::size_t> next{0};
    std::mutex mutex;
    Times all;
    std::vector<std::thread> threads;
    threads.reserve(static_cast<std::size_t>(options_.server.connections));
    for (int i = 0; i < options_.server.connections; ++i) {
      threads.emplace_back([&] {
        Times own;
        if (options_.rate > 0) {
          open_loop(begin, begin + to_duration(seconds), due, next, own);
        } else {
          closed_loop(begin + to_duration(seconds), own);
        }
        const std::lock_guard lock(mutex);
        all.add(std::move(own));
      });
    }
    for (std::thread& thread : threads) thread.join();
    return all;
  }

 private:
  static Clock::duration to_duration(double seconds) {
    return std::chrono::duration_cast<Clock::duration>(std::chrono::duration<double>(seconds));
  }

  bool is_like_the_first(const std::string& body) {
    const std::lock_guard lock(first_mutex_);
    if (first_.empty()) first_ = body;
    return first_ == body;
  }

  void ask(Clock::time_point due, Times& times) {
    std::vector<double>* list = &times.answered;
    try {
      const Client::RawReply reply = client_.infer(options_.model, options_.version, request_);
      if (options_.check_equal && !is_like_the_first(reply.body)) {
        ++times.failed[kOtherReply];
        return;
      }
    } catch (const Error& error) {
      ++times.failed[std::string(error_code_name(error.code()))];
      if (error.code() != ErrorCode::Unavailable) return;
      list = &times.refused;
    }
    list->push_back(std::chrono::duration<double, std::micro>(Clock::now() - due).count());
  }

  void closed_loop(Clock::time_point end, Times& times) {
    for (Clock::time_point now = Clock::now(); now < end; now = Clock::now()) ask(now, times);
  }

  void open_loop(Clock::time_point begin, Clock::time_point end, const std::vector<double>& due,
                 std::atomic<std::size_t>& next, Times& times) {
    for (std::size_t i = next++; i < due.size(); i = next++) {
      const Clock::time_point time = begin + to_duration(due[i]);
      std::this_thread::sleep_until(time);
      if (Clock::now() > end + options_.server.deadline) {
        ++times.failed[kNotSent];
        continue;
      }
      ask(time, times);
    }
  }

  Client& client_;
  const LoadOptions& options_;
  const EncodedRequest& request_;
  std::mutex first_mutex_;
  std::string first_;
};

LoadResult measure(const LoadOptions& options, const ordered_json& metadata, Client& client,
                   std::int64_t batch_size) {
  const EncodedRequest request = make_request(options, metadata, batch_size);
  Clients clients(client, options, request);
  if (options.warmup_seconds > 0) clients.run(options.warmup_seconds);
  const ServerSums before = server_sums(client, options);
  const Clock::time_point begin = Clock::now();
  Times times = clients.run(options.seconds);
  LoadResult result;
  result.batch_size = batch_size;
  result.seconds = std::chrono::duration<double>(Clock::now() - begin).count();
  result.failed = std::move(times.failed);
  result.round_trip = summarise(std::move(times.answered));
  result.refused = summarise(std::move(times.refused));
  const ServerSums after = server_sums(client, options);
  result.requests_per_second = static_cast<double>(result.round_trip.count) / result.seconds;
  result.jets_per_second = result.requests_per_second * static_cast<double>(batch_size);
  const double inferred = after.infer_count - before.infer_count;
  if (inferred > 0) result.inference = (after.infer_ns - before.infer_ns) / inferred / 1000;
  const double queued = after.queue_count - before.queue_count;
  if (queued > 0) result.queue = (after.queue_ns - before.queue_ns) / queued / 1000;
  const double executions = after.executions - before.executions;
  if (executions > 0) result.jets_per_execution = (after.jets - before.jets) / executions;
  result.overhead = result.round_trip.mean - result.inference;
  return result;
}

}  // namespace

void validate(const LoadOptions& options) {
  const auto check = [](bool good, const char* field, auto value) {
    if (!good) fail(ErrorCode::InvalidArgument, field, " is out of range: ", value);
  };
  validate(options.server);
  check(!options.model.empty(), "model-name", "(empty)");
  check(!options.batch_sizes.empty(), "batch-sizes", "(none)");
  for (const std::int64_t size : options.batch_sizes) check(size >= 1, "batch-sizes", size);
  check(options.seconds > 0, "seconds", options.seconds);
  check(options.rate >= 0, "rate", options.rate);
  check(options.min_particles >= 0 && options.min_particles <= options.max_particles,
        "min-particles", options.min_particles);
  check(options.max_particles >= 1, "max-particles", options.max_particles);
}

std::vector<LoadResult> generate_load(const LoadOptions& options,
                                      const std::function<void(const LoadResult&)>& progress) {
  validate(options);
  Client client(options.server);
  const ordered_json metadata = client.model_metadata(options.model, options.version);
  if (!metadata.contains("inputs") || !metadata["inputs"].is_array())
    fail(ErrorCode::DataLoss, "the server ", options.server.url, " describes no inputs of model '",
         options.model, "'");
  std::vector<LoadResult> results;
  for (const std::int64_t batch_size : options.batch_sizes) {
    try {
      results.push_back(measure(options, metadata, client, batch_size));
    } catch (const ordered_json::exception& error) {
      fail(ErrorCode::DataLoss, "the server ", options.server.url,
           " describes its model or statistics in another way: ", error.what());
    }
    if (progress) progress(results.back());
  }
  return results;
}

}  // namespace jetcal::client
