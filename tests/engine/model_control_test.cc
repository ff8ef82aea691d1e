// SPDX-License-Identifier: Apache-2.0
// Models that come and go: explicit and polling mode, loads that bring their own configuration.
#include <atomic>
#include <thread>

#include "tests/engine/engine_fixture.h"

namespace jetcal::engine {
namespace {

using testing::HasSubstr;

TEST_F(EngineTest, ExplicitModeLoadsUnloadsAndReplacesUnderTraffic) {
  add_doubling("double", kDoublingConfig);
  add_doubling("other");
  EngineOptions options{folder_, {}, 1};
  options.control = ControlMode::Explicit;
  options.load_models = {"double"};
  Engine engine(options);
  EXPECT_TRUE(engine.ready("double"));
  EXPECT_FALSE(engine.ready("other"));
  ASSERT_EQ(engine.models().size(), 2U);
  EXPECT_EQ(engine.models()[1].reason, "not loaded");
  EXPECT_TRUE(engine.ready());
  std::atomic<bool> stop{false};
  std::atomic<int> failed{0};
  std::atomic<int> answered{0};
  const std::vector<Tensor> tensors = x(2);
  std::thread traffic([&] {
    while (!stop) {
      const auto reply = engine.infer(request("double", tensors));
      if (!reply.ok() ||
          values_of<float>(reply.value().outputs[0]) != std::vector<float>{2, 4, 6, 8})
        ++failed;
      ++answered;
    }
  });
  for (int i = 0; i < 5; ++i) EXPECT_EQ(engine.load("double"), std::nullopt);
  write_file(folder_ / "double" / "2" / "model.onnx", "no model");
  EXPECT_THAT(engine.load("double").value().what(), HasSubstr("failed to load 'double'"));
  EXPECT_TRUE(engine.ready("double"));  // the old version stays
  while (answered < 50) std::this_thread::yield();
  stop = true;
  traffic.join();
  EXPECT_EQ(failed, 0);
  EXPECT_EQ(engine.load("other"), std::nullopt);
  EXPECT_TRUE(engine.ready("other"));
  EXPECT_EQ(engine.unload("other"), std::nullopt);
  expect_refused(engine, request("other", tensors), ErrorCode::Unavailable, "unloaded");
  EXPECT_TRUE(engine.ready());
  EXPECT_EQ(engine.load("nobody").value().code(), ErrorCode::InvalidArgument);
  EXPECT_EQ(engine.load("../double").value().code(), ErrorCode::InvalidArgument);
  EXPECT_EQ(engine.load(std::string(300, 'm')).value().code(), ErrorCode::InvalidArgument);
  const std::string cut("double\0x", 8);  // whose folder would be that of another model
  EXPECT_THAT(engine.load(cut).value().what(), HasSubstr("failed to load 'double"));
  EXPECT_EQ(engine.models().size(), 2U);
}

TEST_F(EngineTest, QuestionsAboutModelsAreAnsweredWhileTheseAreReplaced) {
  for (const char* name : {"first", "second"}) add_doubling(name);
  EngineOptions options{folder_, {}, 1};
  options.control = ControlMode::Explicit;
  options.load_models = {"*"};
  Engine engine(options);
  std::atomic<bool> stop{false};
  std::atomic<int> wrong{0};
  std::thread questions([&] {
    while (!stop) {
      const auto states = engine.models();
      const auto metadata = engine.metadata("first", "");
      const auto statistics = engine.statistics("", "");
      const bool right = engine.ready() && states.size() == 2 && states[0].name == "first" &&
                         metadata.ok() && metadata.value().versions.size() == 1 &&
                         statistics.ok() && statistics.value().size() == 2;
      if (!right) ++wrong;
    }
  });
  for (int i = 0; i < 50; ++i) EXPECT_EQ(engine.load("first"), std::nullopt);
  stop = true;
  questions.join();
  EXPECT_EQ(wrong, 0);
}

TEST_F(EngineTest, ALoadRequestMayBringConfigurationAndFiles) {
  EngineOptions options{folder_, {}, 1};
  options.control = ControlMode::Explicit;
  Engine engine(options);
  const std::string model = doubling_model(kOnnxFloat, {"N", "2"});
  EXPECT_THAT(engine.load("sent", {"", {{"1/model.onnx", model}}}).value().what(),
              HasSubstr("require that a config"));
  const std::string config = R"({"backend":"onnxruntime","max_batch_size":"4"})";
  EXPECT_EQ(engine.load("sent", {config, {{"1/model.onnx", model}}}), std::nullopt);
  const std::vector<Tensor> tensors = x(2);
  EXPECT_TRUE(engine.infer(request("sent", tensors)).ok());
  EXPECT_EQ(engine.config("sent").value()["max_batch_size"], 4);
  EXPECT_THAT(engine.load("sent", {R"({"max_batch":4})", {{"1/model.onnx", model}}}).value().what(),
              HasSubstr("'max_batch' is unknown"));
  EXPECT_THAT(engine.load("sent", {config, {{"../model.onnx", model}}}).value().what(),
              HasSubstr("lies elsewhere"));
}

TEST_F(EngineTest, PollingFollowsTheRepository) {
  add_doubling("first");
  EngineOptions options{folder_, {}, 1};
  options.control = ControlMode::Poll;
  options.poll_interval = std::chrono::hours(1);  // poll() is called here
  Engine engine(options);
  EXPECT_TRUE(engine.load("first").has_value());  // not by request in this mode
  add_doubling("second");
  add_doubling("first", "version_policy { all { } }", "2");
  engine.poll();
  EXPECT_TRUE(engine.ready("second"));
  EXPECT_THAT(engine.metadata("first").value().versions, testing::ElementsAre("1", "2"));
  std::filesystem::remove_all(folder_ / "first");
  engine.poll();
  EXPECT_EQ(engine.metadata("first").error().code(), ErrorCode::NotFound);
  EXPECT_TRUE(engine.ready("second"));
}

}  // namespace
}  // namespace jetcal::engine
