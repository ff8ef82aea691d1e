// SPDX-License-Identifier: Apache-2.0
#include "jetcal/onnx/repository.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>

#include "jetcal/base/error.h"
#include "jetcal/base/files.h"
#include "jetcal/base/temporary_folder.h"

namespace jetcal::onnx {
namespace {

namespace fs = std::filesystem;
using models::Model;
using models::ModelConfig;
using models::Network;
using testing::HasSubstr;
using testing::UnorderedElementsAre;

class Repository : public testing::Test {
 protected:
  Repository() { options_.repository = folder_; }

  std::set<std::string> files() const {
    std::set<std::string> names;
    for (const auto& entry : fs::recursive_directory_iterator(folder_)) {
      if (entry.is_regular_file()) names.insert(fs::relative(entry.path(), folder_).string());
    }
    return names;
  }

  ErrorCode failure(const Model& model, std::string* text = nullptr) const {
    try {
      write_repository(model, options_);
    } catch (const Error& error) {
      if (text != nullptr) *text = error.what();
      return error.code();
    }
    ADD_FAILURE() << "nothing was thrown";
    return ErrorCode::Internal;
  }

  static Model model(Network network, std::uint64_t seed = 1) {
    ModelConfig config =
        models::preset(network == Network::Pfn ? "small-pfn" : "small-particlenet");
    return models::initialise(config, seed);
  }

  const TemporaryFolder temporary_;
  const fs::path folder_ = temporary_ / "models";
  RepositoryOptions options_;
};

TEST_F(Repository, HasTritonsLayout) {
  EXPECT_EQ(write_repository(model(Network::Pfn), options_), folder_ / "optimal" / "1");
  EXPECT_THAT(files(), UnorderedElementsAre("optimal/config.pbtxt", "optimal/1/model.onnx",
                                            "optimal/1/model.jetcal"));
}

TEST_F(Repository, KeepsTheWeightsThatTheOnnxFileWasMadeFrom) {
  const Model written = model(Network::ParticleNet, 5);
  write_repository(written, options_);
  const Model read = models::load_model(folder_ / "optimal/1/model.jetcal");
  EXPECT_EQ(models::fingerprint(read), models::fingerprint(written));
  EXPECT_THAT(read_file(folder_ / "optimal/1/model.onnx"), HasSubstr(models::fingerprint(written)));
}

TEST_F(Repository, ConfigurationNamesTensorsAndLevelOfThePaper) {
  const std::string particle_net = config_text(models::preset("paper-particlenet"), "optimal");
  EXPECT_THAT(particle_net, HasSubstr("name: \"optimal\"\nplatform: \"onnxruntime_onnx\"\n"
                                      "max_batch_size: 100000\n"));
  EXPECT_THAT(particle_net, HasSubstr("name: \"pf_points\" data_type: TYPE_FP32 dims: [ 2, -1 ]"));
  EXPECT_THAT(particle_net, HasSubstr("level: -1"));
  const std::string pfn = config_text(models::preset("paper-pfn"), "optimal");
  EXPECT_THAT(pfn, testing::Not(HasSubstr("pf_points")));
  EXPECT_THAT(pfn, HasSubstr("name: \"pf_features\" data_type: TYPE_FP32 dims: [ 6, -1 ]"));
  EXPECT_THAT(pfn, HasSubstr("level: 1"));
  EXPECT_THAT(pfn, testing::Not(HasSubstr("ragged")));
}

TEST_F(Repository, ConfigurationForTheBackendJoinsRequestsOfDifferentLengths) {
  const std::string text = config_text(models::preset("paper-particlenet"), "optimal", true);
  EXPECT_THAT(text, HasSubstr("backend: \"jetcal\"\n"));
  EXPECT_THAT(text, testing::Not(HasSubstr("platform")));
  EXPECT_THAT(text, HasSubstr("dims: [ 6, -1 ] allow_ragged_batch: true"));
  EXPECT_THAT(text, HasSubstr("name: \"jet_features\" data_type: TYPE_FP32 dims: [ 8 ] }"));
  EXPECT_THAT(text, HasSubstr("dynamic_batching { }"));
}

TEST_F(Repository, RefusesAVersionThatIsThere) {
  write_repository(model(Network::Pfn, 1), options_);
  const std::string before = read_file(folder_ / "optimal/1/model.onnx");
  std::string text;
  EXPECT_EQ(failure(model(Network::Pfn, 2), &text), ErrorCode::AlreadyExists);
  EXPECT_THAT(text, HasSubstr("version 2 is free"));
  EXPECT_EQ(read_file(folder_ / "optimal/1/model.onnx"), before);

  options_.force = true;
  write_repository(model(Network::Pfn, 2), options_);
  EXPECT_NE(read_file(folder_ / "optimal/1/model.onnx"), before);
  EXPECT_EQ(files().size(), 3U);
}

TEST_F(Repository, OtherVersionsStay) {
  write_repository(model(Network::Pfn, 1), options_);
  const std::string before = read_file(folder_ / "optimal/1/model.onnx");
  options_.version = 2;
  write_repository(model(Network::Pfn, 2), options_);
  EXPECT_EQ(read_file(folder_ / "optimal/1/model.onnx"), before);
  EXPECT_EQ(files().size(), 5U);
}

TEST_F(Repository, RefusesANetworkThatOtherVersionsCannotShareAConfigurationWith) {
  write_repository(model(Network::Pfn), options_);
  options_.version = 2;
  options_.force = true;
  EXPECT_EQ(failure(model(Network::ParticleNet)), ErrorCode::FailedPrecondition);
  options_.version = 1;  // the only one: it may become another network
  write_repository(model(Network::ParticleNet), options_);
  EXPECT_THAT(read_file(folder_ / "optimal/config.pbtxt"), HasSubstr("pf_points"));
}

TEST_F(Repository, RefusesNamesThatAreNotPlain) {
  for (const char* name : {"", ".", "..", ".hidden", "a/b", "a b", "a\"b"}) {
    options_.name = name;
    EXPECT_EQ(failure(model(Network::Pfn)), ErrorCode::InvalidArgument) << name;
  }
  options_.name = "fine_1.0-x";
  options_.version = 0;
  EXPECT_EQ(failure(model(Network::Pfn)), ErrorCode::InvalidArgument);
  EXPECT_FALSE(fs::exists(folder_));
}

TEST_F(Repository, LeavesNothingBehindWhenItFails) {
  write_repository(model(Network::Pfn), options_);
  const auto before = files();
  options_.version = 2;
  // fold() refuses parameters of another length, after the stage was begun.
  Model broken = model(Network::Pfn);
  broken.parameters.resize(1);
  EXPECT_ANY_THROW(write_repository(broken, options_));
  EXPECT_EQ(files(), before);
  EXPECT_EQ(std::distance(fs::directory_iterator(folder_), fs::directory_iterator()), 1);
}

TEST_F(Repository, ClearsWhatAKilledExportLeft) {
  fs::create_directories(folder_ / ".optimal.part" / "9");
  write_file(folder_ / ".optimal.part" / "9" / "model.onnx", "half");
  write_repository(model(Network::Pfn), options_);
  EXPECT_EQ(files().size(), 3U);
}

}  // namespace
}  // namespace jetcal::onnx
