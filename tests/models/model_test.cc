// SPDX-License-Identifier: Apache-2.0
#include "jetcal/models/model.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <cmath>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <limits>
#include <nlohmann/json.hpp>
#include <set>

#include "jetcal/base/error.h"
#include "jetcal/base/files.h"
#include "tests/models/random_jets.h"

namespace jetcal::models {
namespace {

using ::testing::HasSubstr;
using ::testing::StartsWith;

// A folder of its own for every test, removed at the end.
class ModelFile : public ::testing::Test {
 protected:
  void SetUp() override {
    // Thousands of damaged files are written: in memory where that is possible.
    const std::filesystem::path memory = "/dev/shm";
    folder_ =
        (std::filesystem::is_directory(memory) ? memory : std::filesystem::temp_directory_path()) /
        ("jetcal-model-" + std::to_string(::getpid()) + "-" +
         ::testing::UnitTest::GetInstance()->current_test_info()->name());
    std::filesystem::create_directories(folder_);
  }
  void TearDown() override { std::filesystem::remove_all(folder_); }

  std::filesystem::path path() const { return folder_ / "model.jetcal"; }
  void write(const std::string& bytes) const { std::ofstream(path(), std::ios::binary) << bytes; }
  static std::string with_header(const std::string& header, const std::string& data) {
    const std::uint64_t length = header.size();
    return std::string(reinterpret_cast<const char*>(&length), sizeof length) + header + data;
  }
  // Returns "code: text" of what load_model throws.
  std::string load_error() const {
    try {
      load_model(path());
    } catch (const Error& error) {
      return std::string(error_code_name(error.code())) + ": " + error.what();
    }
    return "no error";
  }
  // Saves a small model and gives its header and its data for tampering.
  void split(nlohmann::json& header, std::string& data) const {
    ModelConfig config = tiny(Network::ParticleNet);
    config.standardise = true;
    save_model(random_model(config, 5), path());
    const std::string bytes = read_file(path());
    std::uint64_t length = 0;
    std::memcpy(&length, bytes.data(), sizeof length);
    header = nlohmann::json::parse(bytes.substr(8, length));
    data = bytes.substr(8 + length);
  }

  std::filesystem::path folder_;
};

TEST(Model, LayoutIsDenseAndNamesAreUnique) {
  for (const std::string& name : preset_names()) {
    const Layout layout = make_layout(preset(name));
    std::set<std::string> names;
    std::int64_t end = 0;
    for (const TensorSlice& slice : layout.parameters) {
      EXPECT_EQ(slice.offset, end) << slice.name;
      EXPECT_TRUE(names.insert(slice.name).second) << slice.name;
      end += slice.size;
    }
    EXPECT_EQ(end, layout.num_parameters);
  }
}

TEST(Model, InitialWeightsAreUniformAndSeeded) {
  const Model model = initialise(preset("paper-particlenet"), 3);
  EXPECT_EQ(model.parameters, initialise(preset("paper-particlenet"), 3).parameters);
  EXPECT_NE(model.parameters, initialise(preset("paper-particlenet"), 4).parameters);
  for (const TensorSlice& slice : model.layout.parameters) {
    const std::span<const float> values = model.parameter(slice.name);
    if (slice.name.find("norm.") != std::string::npos) {
      EXPECT_THAT(values, ::testing::Each(slice.name.ends_with("weight") ? 1.0F : 0.0F));
      continue;
    }
    if (slice.shape.size() < 2) continue;
    const double bound = 1 / std::sqrt(static_cast<double>(slice.shape[1]));
    double sum2 = 0;
    for (const float value : values) {
      EXPECT_LE(std::abs(value), bound) << slice.name;
      sum2 += value * value;
    }
    // The variance of the uniform distribution, bound^2 / 3; five standard errors of it.
    const auto count = static_cast<double>(slice.size);
    const double error = 5 * bound * bound * std::sqrt(4.0 / 45.0 / count);
    EXPECT_NEAR(sum2 / count, bound * bound / 3, error) << slice.name;
  }
  EXPECT_THROW(model.parameter("block9.edge0.weight"), Error);
  EXPECT_THROW(model.buffer("feature.weight"), Error);
}

TEST(Model, StandardisationHasMeanAndDeviationOfTheFeatures) {
  const edm::FeatureBatch jets = random_jets({3, 0, 5, 11, 2}, 8);
  StandardisationFit fit;
  fit.add(select(jets, {0, 1, 2}).view());
  fit.add(select(jets, {3, 4}).view());
  const Standardisation result = fit.result();
  for (int c = 0; c < edm::kNumParticleFeatures; ++c) {
    double sum = 0;
    for (std::int64_t p = 0; p < 21; ++p) sum += jets.particles[p * 6 + c];
    double spread = 0;
    for (std::int64_t p = 0; p < 21; ++p)
      spread += std::pow(jets.particles[p * 6 + c] - sum / 21, 2);
    EXPECT_NEAR(result.particle_mean[c], sum / 21, 1e-6);
    EXPECT_NEAR(result.particle_deviation[c], std::sqrt(spread / 21), 1e-6);
  }
  EXPECT_EQ(result.jet_mean.size(), 8U);
}

TEST(Model, ConstantFeaturesKeepTheirScale) {
  edm::FeatureBatch jets = random_jets({4, 4, 4}, 8);
  for (int jet = 0; jet < 3; ++jet) jets.jets[jet * 8 + 4] = 0.503F;
  StandardisationFit fit;
  fit.add(jets.view());
  EXPECT_EQ(fit.result().jet_deviation[4], 1.0F);
  EXPECT_NEAR(fit.result().jet_mean[4], 0.503, 1e-6);
  EXPECT_THROW(StandardisationFit().result(), Error);
}

TEST(Model, FingerprintSeesEveryNumber) {
  ModelConfig config = tiny(Network::ParticleNet);
  config.standardise = true;
  const Model model = random_model(config, 1);
  const std::string original = fingerprint(model);
  EXPECT_EQ(original.size(), 16U);
  EXPECT_EQ(fingerprint(random_model(config, 1)), original);
  const auto changed = [&model](auto change) {
    Model other = model;
    change(other);
    return fingerprint(other);
  };
  EXPECT_NE(changed([](Model& m) { m.parameters.back() += 1e-3F; }), original);
  EXPECT_NE(changed([](Model& m) { m.buffers.front() += 1e-3F; }), original);
  EXPECT_NE(changed([](Model& m) { m.standardisation.jet_mean[3] += 1e-3F; }), original);
  EXPECT_NE(changed([](Model& m) { m.standardisation.particle_deviation[0] += 1e-3F; }), original);
  EXPECT_NE(changed([](Model& m) { m.config.neighbors += 1; }), original);
  EXPECT_EQ(changed([](Model& m) { m.provenance["seed"] = "7"; }), original);
}

TEST_F(ModelFile, ComesBackBitForBit) {
  for (const Network network : {Network::Pfn, Network::ParticleNet, Network::ParticleTransformer}) {
    for (const bool standardise : {false, true}) {
      ModelConfig config = tiny(network);
      config.standardise = standardise;
      config.input_mode = edm::InputMode::Constituents;
      config.dropout = 0.125;
      Model model = random_model(config, 11);
      model.provenance = {{"seed", "11"}, {"note", "tab\t, quote\", \xC3\xA9"}, {"loss", "0.0876"}};
      save_model(model, path());
      const Model read = load_model(path());
      EXPECT_EQ(read.config, model.config);
      EXPECT_EQ(read.parameters, model.parameters);
      EXPECT_EQ(read.buffers, model.buffers);
      EXPECT_EQ(read.standardisation.particle_mean, model.standardisation.particle_mean);
      EXPECT_EQ(read.standardisation.jet_deviation, model.standardisation.jet_deviation);
      EXPECT_EQ(read.provenance, model.provenance);
      EXPECT_EQ(fingerprint(read), fingerprint(model));
    }
  }
}

TEST_F(ModelFile, IsSafetensors) {
  nlohmann::json header;
  std::string data;
  split(header, data);
  EXPECT_TRUE(header.at("__metadata__").is_object());
  const nlohmann::json tensor = header.at("block1.edge0.weight");
  EXPECT_EQ(tensor.at("dtype"), "F32");
  EXPECT_EQ(tensor.at("shape"), nlohmann::json({7, 14}));
  const auto begin = tensor.at("data_offsets").at(0).get<std::size_t>();
  EXPECT_EQ(tensor.at("data_offsets").at(1).get<std::size_t>() - begin, 7U * 14 * 4);
  float first = 0;
  std::memcpy(&first, data.data() + begin, sizeof first);
  EXPECT_EQ(first, load_model(path()).parameter("block1.edge0.weight")[0]);
  EXPECT_EQ((std::filesystem::file_size(path()) - data.size()) % 8, 0U);
}

TEST_F(ModelFile, EveryTruncationIsOneClearError) {
  save_model(random_model(tiny(Network::ParticleNet), 5), path());
  const std::string bytes = read_file(path());
  for (std::size_t size = 0; size < bytes.size(); size += size < 200 ? 1 : 97) {
    write(bytes.substr(0, size));
    EXPECT_THAT(load_error(), StartsWith("data loss: " + path().string())) << size;
  }
  write(bytes + "more");
  EXPECT_THAT(load_error(), StartsWith("data loss"));
}

TEST_F(ModelFile, EveryFlippedByteIsNoticed) {
  save_model(random_model(tiny(Network::Pfn), 5), path());
  const std::string bytes = read_file(path());
  std::uint64_t length = 0;
  std::memcpy(&length, bytes.data(), sizeof length);
  for (std::size_t at = 8 + length; at < bytes.size(); at += 13) {
    std::string changed = bytes;
    changed[at] = static_cast<char>(changed[at] ^ 1);
    write(changed);
    EXPECT_THAT(load_error(), StartsWith("data loss")) << at;
  }
  // In the header a flip may only hit free text (spaces, versions): anything but a crash or
  // garbage.
  const Model model = load_model((write(bytes), path()));
  for (std::size_t at = 0; at < 8 + length; ++at) {
    std::string changed = bytes;
    changed[at] = static_cast<char>(changed[at] ^ 4);
    write(changed);
    try {
      EXPECT_EQ(load_model(path()).parameters, model.parameters) << at;
    } catch (const Error& error) {
      EXPECT_THAT(error.what(), HasSubstr(path().string())) << at;
    }
  }
}

TEST_F(ModelFile, HostileHeadersAreRefused) {
  write(with_header(std::string(64, '['), ""));
  EXPECT_THAT(load_error(), HasSubstr("not a JSON object"));
  write(with_header(std::string(1 << 20, '['), ""));  // deep nesting must not end the stack
  EXPECT_THAT(load_error(), HasSubstr("not a JSON object"));
  const std::string deep = std::string(1 << 20, '[') + std::string(1 << 20, ']');
  write(with_header(R"({"calibration.closure.values": {"shape": )" + deep + "}}", ""));
  EXPECT_THAT(load_error(), HasSubstr("not a JSON object"));
  write(with_header("{}", ""));
  EXPECT_THAT(load_error(), HasSubstr("__metadata__"));
  write(with_header(R"({"__metadata__": {"format": "pt"}})", ""));
  EXPECT_THAT(load_error(), HasSubstr("not a jetcal model"));
  write(with_header(R"({"__metadata__": {"format": 3}})", ""));
  EXPECT_THAT(load_error(), HasSubstr("'format' is not a string"));
  write(std::string(8, '\xFF') + "{}");
  EXPECT_THAT(load_error(), HasSubstr("header would have"));
  std::filesystem::remove(path());
  EXPECT_THAT(load_error(), StartsWith("not found"));
}

TEST_F(ModelFile, TensorsThatDoNotFitAreNamed) {
  nlohmann::json header;
  std::string data;
  split(header, data);
  const auto expect = [&](auto change, const char* text) {
    nlohmann::json changed = header;
    change(changed);
    write(with_header(changed.dump(), data));
    EXPECT_THAT(load_error(), HasSubstr(text)) << changed.dump();
  };
  const char* const name = "block0.edge1.weight";
  const std::uint64_t huge = std::numeric_limits<std::uint64_t>::max();
  using nlohmann::json;
  expect([](json&) {}, "no error");
  expect([&](json& h) { h.erase(name); }, "'block0.edge1.weight' is missing");
  expect([](json& h) { h["extra"] = h["feature.weight"]; }, "'extra' is not part");
  expect([&](json& h) { h[name] = 3; }, name);
  expect([&](json& h) { h[name]["dtype"] = "F16"; }, name);
  expect([&](json& h) { h[name]["shape"] = {7, 8}; }, name);
  expect([&](json& h) { h[name]["shape"] = "7x7"; }, name);
  expect([&](json& h) { h[name]["data_offsets"] = {0}; }, name);
  expect([&](json& h) { h[name]["data_offsets"] = {-4, 192}; }, name);
  expect([&](json& h) { h[name]["data_offsets"] = {0, 4}; }, name);
  expect([&](json& h) { h[name]["data_offsets"] = {huge - 195, huge}; }, name);
  expect([&](json& h) { h[name]["data_offsets"] = {huge, 195}; }, name);
  expect([](json& h) { h["__metadata__"]["config"] = "{"; }, "not JSON");
  expect([](json& h) { h["__metadata__"]["config"] = R"({"edge_units": 1e9})"; }, "edge_units");
  expect([](json& h) { h["__metadata__"]["config"] = R"({"network": "pfn"})"; }, "not part");
  expect([](json& h) { h["__metadata__"]["format_version"] = "2"; }, "format version '2'");
  expect([](json& h) { h["__metadata__"]["fingerprint"] = "0"; }, "fingerprint");
}

TEST_F(ModelFile, TensorsThatShareTheirBytesAreRefused) {
  nlohmann::json header;
  std::string data;
  split(header, data);
  std::uint64_t largest = 0;
  for (auto& [name, entry] : header.items()) {
    if (!entry.contains("data_offsets")) continue;
    const auto begin = entry["data_offsets"][0].get<std::uint64_t>();
    const auto end = entry["data_offsets"][1].get<std::uint64_t>();
    entry["data_offsets"] = {std::uint64_t{0}, end - begin};
    largest = std::max(largest, end - begin);
  }
  write(with_header(header.dump(), data.substr(0, largest)));
  EXPECT_THAT(load_error(), HasSubstr("shares its bytes"));
}

TEST_F(ModelFile, NumbersThatCannotBeUsedAreRefusedOnBothWays) {
  const auto save_error = [this](auto change) {
    ModelConfig config = tiny(Network::ParticleNet);
    config.standardise = true;
    Model model = random_model(config, 5);
    change(model);
    try {
      save_model(model, path());
    } catch (const Error& error) {
      EXPECT_FALSE(std::filesystem::exists(path()));
      return std::string(error.what());
    }
    return std::string("no error");
  };
  EXPECT_THAT(save_error([](Model& m) { m.parameters[40] = std::nanf(""); }),
              HasSubstr("'feature.weight' holds a value that is not finite"));
  EXPECT_THAT(save_error([](Model& m) { m.buffers[8] = -1; }), HasSubstr("negative variance"));
  EXPECT_THAT(save_error([](Model& m) { m.standardisation.jet_deviation[1] = 0; }),
              HasSubstr("jet_deviation"));
  EXPECT_THAT(save_error([](Model& m) { m.parameters.pop_back(); }), HasSubstr("sizes"));

  nlohmann::json header;
  std::string data;
  split(header, data);
  const float nan = std::nanf("");
  std::memcpy(data.data(), &nan, sizeof nan);
  write(with_header(header.dump(), data));
  EXPECT_THAT(load_error(), StartsWith("data loss"));
}

}  // namespace
}  // namespace jetcal::models
