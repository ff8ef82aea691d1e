// SPDX-License-Identifier: Apache-2.0
// Times training steps and inference on a GPU, and writes jets and networks for the peers.
//
//   cuda_bench export DIR MODEL...            DIR/jets.safetensors and DIR/MODEL.safetensors
//   cuda_bench time SECONDS MODEL...          one JSON document on standard output
//
// It has no JSON library and no flags, so that it builds on machines that have neither.
#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <string>
#include <vector>

#include "jetcal/base/error.h"
#include "jetcal/base/files.h"
#include "jetcal/base/random.h"
#include "jetcal/base/version.h"
#include "jetcal/cuda/predictor.h"
#include "jetcal/cuda/training_step.h"
#include "jetcal/models/predictor.h"

namespace jetcal::cuda {
namespace {

constexpr std::int64_t kJets = 4096;
constexpr std::int64_t kTrainingBatch = 500;
constexpr int kLeastRounds = 7;

models::ModelConfig sizes(models::Network network, std::vector<int> n) {
  models::ModelConfig config;
  config.network = network;
  if (network == models::Network::Pfn) {
    config.particle_layers = n[0];
    config.particle_units = n[1];
    config.head_layers = n[2];
    config.head_units = n[3];
    return config;
  }
  config.edge_blocks = n[0];
  config.neighbors = n[1];
  config.edge_layers = n[2];
  config.edge_units = n[3];
  config.head_layers = n[4];
  config.head_units = n[5];
  return config;
}

// The names and sizes of `jetcal bench`; without dropout, so that every engine computes the same.
models::ModelConfig config_of(const std::string& name) {
  using enum models::Network;
  if (name == "pfn-best") return sizes(Pfn, {4, 100, 2, 200});
  if (name == "pfn-large") return sizes(Pfn, {5, 400, 5, 400});
  if (name == "pn-small") return sizes(ParticleNet, {2, 8, 1, 50, 1, 50});
  if (name == "pn-best") return sizes(ParticleNet, {3, 16, 2, 100, 2, 200});
  if (name == "pn-large") return sizes(ParticleNet, {3, 16, 3, 200, 3, 200});
  models::ModelConfig config = models::preset(name);
  config.dropout = 0;
  return config;
}

// Long-tailed numbers of particles: median 25, 3 to 100.
edm::FeatureBatch make_jets() {
  Rng rng(1);
  edm::FeatureBatch jets;
  const auto draw = [&rng](double width) { return static_cast<float>(width * rng.normal()); };
  for (std::int64_t jet = 0; jet < kJets; ++jet) {
    const double wanted = 25 * std::exp(0.5 * rng.normal());
    const auto n = static_cast<std::int64_t>(std::clamp(wanted, 3.0, 100.0));
    for (std::int64_t p = 0; p < n; ++p) {
      const float d_eta = draw(0.15);
      const float d_phi = draw(0.15);
      const float log_pt = draw(1);
      jets.points.insert(jets.points.end(), {d_eta, d_phi});
      jets.particles.insert(
          jets.particles.end(),
          {log_pt, log_pt - 4, d_eta, d_phi, std::atan2(d_phi, d_eta), std::hypot(d_eta, d_phi)});
    }
    jets.offsets.push_back(jets.offsets.back() + n);
    for (int c = 0; c < edm::kNumJetFeatures; ++c) jets.jets.push_back(draw(1));
    jets.target.push_back(draw(0.1));
  }
  return jets;
}

edm::FeatureBatch slice(const edm::FeatureBatch& jets, std::int64_t first, std::int64_t count) {
  edm::FeatureBatch part;
  const auto copy = [](const std::vector<float>& from, std::int64_t begin, std::int64_t end,
                       std::int64_t channels, std::vector<float>& to) {
    to.insert(to.end(), from.begin() + begin * channels, from.begin() + end * channels);
  };
  for (std::int64_t i = first; i < first + count; ++i) {
    const std::int64_t jet = i % jets.num_jets();
    const std::int64_t begin = jets.offsets[jet];
    const std::int64_t end = jets.offsets[jet + 1];
    copy(jets.points, begin, end, edm::kNumPointCoordinates, part.points);
    copy(jets.particles, begin, end, edm::kNumParticleFeatures, part.particles);
    copy(jets.jets, jet, jet + 1, edm::kNumJetFeatures, part.jets);
    part.target.push_back(jets.target[jet]);
    part.offsets.push_back(part.offsets.back() + end - begin);
  }
  return part;
}

// ---- files for the peers (bench/peers/files.py reads them)
// ----------------------------------------

class TensorFile {
 public:
  template <typename T>
  void add(const std::string& name, const char* type, const std::vector<std::int64_t>& shape,
           const T* values, std::int64_t size) {
    std::string list;
    for (const std::int64_t extent : shape) {
      list += (list.empty() ? "" : ",") + std::to_string(extent);
    }
    const std::size_t begin = data_.size();
    data_.append(reinterpret_cast<const char*>(values), static_cast<std::size_t>(size) * sizeof(T));
    header_ += ",\"" + name + "\":{\"dtype\":\"" + type + "\",\"shape\":[" + list +
               "],\"data_offsets\":[" + std::to_string(begin) + "," + std::to_string(data_.size()) +
               "]}";
  }
  void write(const std::string& path, const std::string& metadata) const {
    const std::string header = "{\"__metadata__\":{" + metadata + "}" + header_ + "}";
    const std::uint64_t length = header.size();
    std::string all(reinterpret_cast<const char*>(&length), sizeof length);
    all += header;
    all += data_;
    write_file(path, all);
  }

 private:
  std::string header_, data_;
};

std::string config_text(const models::ModelConfig& config) {
  std::string text = "{'network':'" + std::string(models::network_name(config.network)) + "'";
  const auto add = [&text](const char* name, int value) {
    text += std::string(",'") + name + "':" + std::to_string(value);
  };
  add("particle_layers", config.particle_layers);
  add("particle_units", config.particle_units);
  add("edge_blocks", config.edge_blocks);
  add("neighbors", config.neighbors);
  add("edge_layers", config.edge_layers);
  add("edge_units", config.edge_units);
  add("head_layers", config.head_layers);
  add("head_units", config.head_units);
  text += "}";
  std::string quoted;
  for (const char c : text) quoted += c == '\'' ? std::string("\\\"") : std::string(1, c);
  return "\"config\":\"" + quoted + "\"";
}

void export_files(const std::string& folder, const std::vector<std::string>& names) {
  const edm::FeatureBatch jets = make_jets();
  const std::int64_t particles = jets.num_particles();
  TensorFile file;
  file.add("offsets", "I64", {kJets + 1}, jets.offsets.data(), kJets + 1);
  file.add("points", "F32", {particles, 2}, jets.points.data(), particles * 2);
  file.add("particles", "F32", {particles, 6}, jets.particles.data(), particles * 6);
  file.add("jets", "F32", {kJets, 8}, jets.jets.data(), kJets * 8);
  file.add("target", "F32", {kJets}, jets.target.data(), kJets);
  file.write(folder + "/jets.safetensors", "");
  for (const std::string& name : names) {
    const models::Model model = models::initialise(config_of(name), 1);
    TensorFile weights;
    for (const models::TensorSlice& slice : model.layout.parameters) {
      weights.add(slice.name, "F32", slice.shape, model.parameters.data() + slice.offset,
                  slice.size);
    }
    for (const models::TensorSlice& slice : model.layout.buffers) {
      weights.add(slice.name, "F32", slice.shape, model.buffers.data() + slice.offset, slice.size);
    }
    // What the CPU predicts for the first jets: peers must agree before they are timed.
    const edm::FeatureBatch first = slice(jets, 0, kTrainingBatch);
    std::vector<float> y(static_cast<std::size_t>(kTrainingBatch));
    models::Predictor(model).predict(first.view(), y);
    weights.write(folder + "/" + name + ".safetensors", config_text(model.config));
    TensorFile predictions;
    predictions.add("y", "F32", {kTrainingBatch}, y.data(), kTrainingBatch);
    predictions.write(folder + "/" + name + ".y.safetensors", "");
  }
}

// ---- timing
// -------------------------------------------------------------------------------------------

struct Times {
  double least = 0, median = 0;  // seconds a call
  int rounds = 0;
};

// Repeats rounds of calls of about a tenth of `seconds` each.
template <typename Call>
Times time_calls(double seconds, Call call) {
  using Clock = std::chrono::steady_clock;
  const auto run = [&](int calls) {
    const auto start = Clock::now();
    for (int i = 0; i < calls; ++i) call(i, calls);
    return std::chrono::duration<double>(Clock::now() - start).count();
  };
  run(4);  // work space grows, kernels are loaded
  const double once = run(4) / 4;
  const int calls = std::max(1, static_cast<int>(seconds / 10 / std::max(once, 1e-6)));
  std::vector<double> times;
  const auto start = Clock::now();
  while (times.size() < kLeastRounds ||
         std::chrono::duration<double>(Clock::now() - start).count() < seconds) {
    times.push_back(run(calls) / calls);
  }
  std::sort(times.begin(), times.end());
  return {times.front(), times[times.size() / 2], static_cast<int>(times.size())};
}

void print_times(bool& first, const std::string& model, const char* what, const char* precision,
                 std::int64_t batch, const Times& times) {
  std::printf("%s\n  {\"model\": \"%s\", \"what\": \"%s\", \"engine\": \"jetcal\", ",
              first ? "" : ",", model.c_str(), what);
  std::printf("\"precision\": \"%s\", \"batch\": %lld, \"ms_least\": %.4f, \"ms_median\": %.4f, ",
              precision, static_cast<long long>(batch), 1e3 * times.least, 1e3 * times.median);
  std::printf("\"jets_per_second\": %.1f, \"rounds\": %d}",
              static_cast<double>(batch) / times.median, times.rounds);
  std::fflush(stdout);
  first = false;
}

void time_model(const std::string& name, double seconds, const edm::FeatureBatch& jets,
                bool& first) {
  const models::Model model = models::initialise(config_of(name), 1);
  std::vector<edm::FeatureBatch> batches;
  for (std::int64_t i = 0; i < 8; ++i) {
    batches.push_back(slice(jets, i * kTrainingBatch, kTrainingBatch));
  }
  for (const Precision precision : {Precision::Float32, Precision::Tf32, Precision::Bfloat16}) {
    const char* const label = precision_name(precision).data();
    TrainingStep step(model, {UpdateKind::Adam, 0}, precision);
    const Times training = time_calls(seconds, [&](int call, int calls) {
      step.submit(batches[static_cast<std::size_t>(call) % batches.size()], 1, 1e-4);
      if (call > 0) static_cast<void>(step.next_outcome());
      if (call + 1 == calls) static_cast<void>(step.next_outcome());
    });
    print_times(first, name, "training", label, kTrainingBatch, training);
    const Predictor predictor(model, precision);
    for (const std::int64_t size : {1, 32, 500, 4096}) {
      std::vector<edm::FeatureBatch> inputs;
      for (std::int64_t i = 0; i < 8; ++i) inputs.push_back(slice(jets, i * size, size));
      std::vector<float> y(static_cast<std::size_t>(size));
      const Times inference = time_calls(seconds / 2, [&](int call, int /*calls*/) {
        predictor.predict(inputs[static_cast<std::size_t>(call) % inputs.size()].view(), y);
      });
      print_times(first, name, "inference", label, size, inference);
    }
  }
}

int run(const std::vector<std::string>& arguments) {
  if (arguments.size() >= 3 && arguments[0] == "export") {
    export_files(arguments[1], {arguments.begin() + 2, arguments.end()});
    return 0;
  }
  if (arguments.size() < 3 || arguments[0] != "time") {
    std::fprintf(stderr,
                 "usage: cuda_bench export DIR MODEL... | cuda_bench time SECONDS MODEL...\n");
    return 2;
  }
  const double seconds = std::stod(arguments[1]);
  const edm::FeatureBatch jets = make_jets();
  std::printf("{\"device\": \"%s\", \"commit\": \"%s\", \"jets\": %lld, \"results\": [",
              device_description().c_str(), std::string(commit()).c_str(),
              static_cast<long long>(kJets));
  bool first = true;
  for (std::size_t i = 2; i < arguments.size(); ++i) {
    time_model(arguments[i], seconds, jets, first);
  }
  std::printf("]}\n");
  return 0;
}

}  // namespace
}  // namespace jetcal::cuda

int main(int count, char** arguments) {
  try {
    return jetcal::cuda::run({arguments + 1, arguments + count});
  } catch (const std::exception& error) {
    std::fprintf(stderr, "cuda_bench: %s\n", error.what());
    return 1;
  }
}
