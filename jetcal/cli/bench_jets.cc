// SPDX-License-Identifier: Apache-2.0
#include "jetcal/cli/bench_jets.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <nlohmann/json.hpp>
#include <string_view>

#include "jetcal/base/error.h"
#include "jetcal/base/files.h"
#include "jetcal/base/random.h"

namespace jetcal::cli {
namespace {

// Log-normal: quantiles 0.5, 0.9 and 0.99 at 25, 47 and 79 particles.
constexpr double kMedianParticles = 25;
constexpr double kSpread = 0.4935;
constexpr std::int64_t kMinParticles = 3;
constexpr std::int64_t kMaxParticles = 100;

void append_jet(std::int64_t num_particles, Rng& rng, edm::FeatureBatch& out) {
  const double pt_jet = 30 * std::exp(rng.exponential());
  std::vector<double> pt;
  for (std::int64_t i = 0; i < num_particles; ++i) {
    pt.push_back(pt_jet * std::exp(-1 - 6 * rng.uniform()));
  }
  std::sort(pt.rbegin(), pt.rend());
  for (const double pt_particle : pt) {
    const double d_eta = 0.15 * rng.normal();
    const double d_phi = 0.15 * rng.normal();
    for (const double value : {d_eta, d_phi}) out.points.push_back(static_cast<float>(value));
    for (const double value : {std::log(pt_particle), std::log(pt_particle / pt_jet), d_eta, d_phi,
                               std::atan2(d_phi, d_eta), std::hypot(d_eta, d_phi)}) {
      out.particles.push_back(static_cast<float>(value));
    }
  }
  for (const double value :
       {std::log(pt_jet), 5 * rng.uniform() - 2.5, 6.28 * rng.uniform() - 3.14,
        0.15 * pt_jet * rng.uniform(), 0.5 + 0.02 * rng.normal(), 0.2 + 0.6 * rng.uniform(),
        0.1 * rng.uniform(), static_cast<double>(num_particles)}) {
    out.jets.push_back(static_cast<float>(value));
  }
  out.offsets.push_back(out.offsets.back() + num_particles);
  out.target.push_back(static_cast<float>(0.2 * rng.normal()));
}

// One array of the file, as bytes.
struct Section {
  const char* name;
  const char* type;
  std::vector<std::int64_t> shape;
  std::string_view bytes;
};

template <typename T>
std::string_view bytes_of(const std::vector<T>& values) {
  return {reinterpret_cast<const char*>(values.data()), values.size() * sizeof(T)};
}

std::vector<Section> sections(const edm::FeatureBatch& jets) {
  const std::int64_t n = jets.num_jets();
  const std::int64_t p = jets.num_particles();
  return {{"offsets", "I64", {n + 1}, bytes_of(jets.offsets)},
          {"points", "F32", {p, edm::kNumPointCoordinates}, bytes_of(jets.points)},
          {"particles", "F32", {p, edm::kNumParticleFeatures}, bytes_of(jets.particles)},
          {"jets", "F32", {n, edm::kNumJetFeatures}, bytes_of(jets.jets)},
          {"target", "F32", {n}, bytes_of(jets.target)}};
}

template <typename T>
std::vector<T> read_section(const nlohmann::json& header, std::string_view data, const char* name,
                            const std::filesystem::path& path) {
  if (!header.contains(name)) fail(ErrorCode::DataLoss, path.string(), ": no array '", name, "'");
  const auto extent = header[name]["data_offsets"].get<std::vector<std::size_t>>();
  if (extent.size() != 2 || extent[0] > extent[1] || extent[1] > data.size() ||
      (extent[1] - extent[0]) % sizeof(T) != 0) {
    fail(ErrorCode::DataLoss, path.string(), ": the array '", name, "' is cut off");
  }
  std::vector<T> values((extent[1] - extent[0]) / sizeof(T));
  std::memcpy(values.data(), data.data() + extent[0], extent[1] - extent[0]);
  return values;
}

}  // namespace

edm::FeatureBatch make_bench_jets(std::int64_t num_jets, std::uint64_t seed) {
  Rng rng(seed);
  edm::FeatureBatch jets;
  for (std::int64_t j = 0; j < num_jets; ++j) {
    const double particles = kMedianParticles * std::exp(kSpread * rng.normal());
    append_jet(std::clamp<std::int64_t>(std::llround(particles), kMinParticles, kMaxParticles), rng,
               jets);
  }
  return jets;
}

edm::FeatureBatch make_even_jets(std::int64_t num_jets, std::int64_t num_particles,
                                 std::uint64_t seed) {
  Rng rng(seed);
  edm::FeatureBatch jets;
  for (std::int64_t j = 0; j < num_jets; ++j) append_jet(num_particles, rng, jets);
  return jets;
}

void save_bench_jets(const edm::FeatureBatch& jets, const std::filesystem::path& path) {
  nlohmann::json header = {{"__metadata__", {{"format", "jetcal-bench-jets"}}}};
  std::string data;
  for (const Section& section : sections(jets)) {
    header[section.name] = {{"dtype", section.type},
                            {"shape", section.shape},
                            {"data_offsets", {data.size(), data.size() + section.bytes.size()}}};
    data += section.bytes;
  }
  std::string text = header.dump();
  text.resize((text.size() + 7) / 8 * 8, ' ');  // aligns the data, as the format asks
  const std::uint64_t length = text.size();
  std::string bytes(reinterpret_cast<const char*>(&length), sizeof length);
  write_file(path, bytes + text + data);
}

edm::FeatureBatch load_bench_jets(const std::filesystem::path& path) {
  const std::string bytes = read_file(path);
  std::uint64_t length = 0;
  if (bytes.size() >= sizeof length) std::memcpy(&length, bytes.data(), sizeof length);
  if (bytes.size() < sizeof length || length > bytes.size() - sizeof length) {
    fail(ErrorCode::DataLoss, path.string(), ": not a file of benchmark jets");
  }
  const std::string_view data = std::string_view(bytes).substr(sizeof length + length);
  edm::FeatureBatch jets;
  try {
    const auto header =
        nlohmann::json::parse(std::string_view(bytes).substr(sizeof length, length));
    jets.offsets = read_section<std::int64_t>(header, data, "offsets", path);
    jets.points = read_section<float>(header, data, "points", path);
    jets.particles = read_section<float>(header, data, "particles", path);
    jets.jets = read_section<float>(header, data, "jets", path);
    jets.target = read_section<float>(header, data, "target", path);
  } catch (const nlohmann::json::exception&) {
    fail(ErrorCode::DataLoss, path.string(), ": its header is not that of benchmark jets");
  }
  const auto size = [](const auto& values) { return std::ssize(values); };
  if (size(jets.offsets) < 2 || jets.offsets.front() != 0 ||
      !std::is_sorted(jets.offsets.begin(), jets.offsets.end()) ||
      size(jets.points) != jets.num_particles() * edm::kNumPointCoordinates ||
      size(jets.particles) != jets.num_particles() * edm::kNumParticleFeatures ||
      size(jets.jets) != jets.num_jets() * edm::kNumJetFeatures ||
      size(jets.target) != jets.num_jets()) {
    fail(ErrorCode::DataLoss, path.string(), ": its arrays do not fit together");
  }
  return jets;
}

edm::FeatureBatch slice_jets(const edm::FeatureBatch& jets, std::int64_t first,
                             std::int64_t count) {
  edm::FeatureBatch out;
  const auto append = [](std::vector<float>& to, const std::vector<float>& from, std::int64_t begin,
                         std::int64_t end, std::int64_t width) {
    to.insert(to.end(), from.begin() + begin * width, from.begin() + end * width);
  };
  for (std::int64_t i = 0; i < count; ++i) {
    const std::int64_t jet = (first + i) % jets.num_jets();
    const std::int64_t begin = jets.offsets[jet];
    const std::int64_t end = jets.offsets[jet + 1];
    append(out.points, jets.points, begin, end, edm::kNumPointCoordinates);
    append(out.particles, jets.particles, begin, end, edm::kNumParticleFeatures);
    append(out.jets, jets.jets, jet, jet + 1, edm::kNumJetFeatures);
    out.target.push_back(jets.target[jet]);
    out.offsets.push_back(out.offsets.back() + end - begin);
  }
  return out;
}

models::ModelConfig bench_config(const std::string& name) {
  const auto pfn = [](int layers, int units, int head_layers, int head_units) {
    models::ModelConfig config;
    config.particle_layers = layers;
    config.particle_units = units;
    config.head_layers = head_layers;
    config.head_units = head_units;
    return config;
  };
  const auto particlenet = [&](int blocks, int neighbors, int layers, int units, int head_layers,
                               int head_units) {
    models::ModelConfig config = pfn(1, 1, head_layers, head_units);
    config.network = models::Network::ParticleNet;
    config.edge_blocks = blocks;
    config.neighbors = neighbors;
    config.edge_layers = layers;
    config.edge_units = units;
    return config;
  };
  if (name == "pfn-best") return pfn(4, 100, 2, 200);
  if (name == "pfn-large") return pfn(5, 400, 5, 400);
  if (name == "pn-small") return particlenet(2, 8, 1, 50, 1, 50);
  if (name == "pn-best") return particlenet(3, 16, 2, 100, 2, 200);
  if (name == "pn-large") return particlenet(3, 16, 3, 200, 3, 200);
  if (name.ends_with(".json")) {
    models::ModelConfig config =
        models::model_config_from_json(nlohmann::json::parse(read_file(name), nullptr, false));
    config.dropout = 0;
    return config;
  }
  models::ModelConfig config = models::preset(name);
  config.dropout = 0;
  return config;
}

models::Model bench_model(const std::string& name, std::uint64_t seed) {
  if (name.ends_with(".jetcal")) return models::load_model(name);
  return models::initialise(bench_config(name), seed);
}

double mean_macs(const models::ModelConfig& config, const edm::FeatureBatch& jets) {
  double sum = 0;
  for (std::int64_t j = 0; j < jets.num_jets(); ++j) {
    sum += static_cast<double>(models::macs_ragged(config, jets.offsets[j + 1] - jets.offsets[j]));
  }
  return sum / static_cast<double>(jets.num_jets());
}

}  // namespace jetcal::cli
