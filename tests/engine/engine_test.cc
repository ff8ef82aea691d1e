// SPDX-License-Identifier: Apache-2.0
#include "jetcal/engine/engine.h"

#include <atomic>
#include <future>
#include <thread>

#include "jetcal/engine/padded_batch.h"
#include "jetcal/engine/ragged_batch.h"
#include "jetcal/engine/sample_jets.h"
#include "jetcal/models/predictor.h"
#include "tests/engine/engine_fixture.h"

namespace jetcal::engine {
namespace {

using models::Network;
using testing::HasSubstr;

TEST_F(EngineTest, NativeModelGivesThePredictorsNumbers) {
  for (const Network network : {Network::Pfn, Network::ParticleNet}) {
    const models::Model model = add_native("optimal", network);
    Engine engine = load();
    ASSERT_TRUE(engine.ready()) << engine.models()[0].reason;
    EXPECT_EQ(engine.models()[0].engine, "native");
    const edm::FeatureBatch jets = sample_jets(5, 0, 20, 1);
    std::vector<float> expected(5);
    models::Predictor(model).predict(jets.view(), expected);
    const std::vector<Tensor> tensors = pad(jets.view(), 23, network);
    const InferReply reply = engine.infer(request("optimal", tensors)).value();
    EXPECT_EQ(reply.model, "optimal");
    EXPECT_EQ(reply.version, "1");
    EXPECT_EQ(reply.id, "id-1");
    ASSERT_EQ(reply.outputs.size(), 1U);
    EXPECT_EQ(reply.outputs[0].name, "output");
    EXPECT_EQ(reply.outputs[0].shape, (std::vector<std::int64_t>{5, 1}));
    EXPECT_EQ(values_of<float>(reply.outputs[0]), expected);
  }
}

TEST_F(EngineTest, ANativeModelWithoutBatchSizeAnswersEveryJetOfARequest) {
  const models::Model model = add_native("optimal", Network::Pfn, "", "name: \"optimal\"");
  Engine engine = load();
  ASSERT_TRUE(engine.ready()) << engine.models()[0].reason;
  const edm::FeatureBatch jets = sample_jets(5, 0, 20, 1);
  std::vector<float> expected(5);
  models::Predictor(model).predict(jets.view(), expected);
  for (const std::vector<Tensor>& tensors :
       {pad(jets.view(), 23, Network::Pfn), make_ragged(jets.view())}) {
    const Result<InferReply> reply = engine.infer(request("optimal", tensors));
    ASSERT_TRUE(reply.ok()) << reply.error().what();
    EXPECT_EQ(reply.value().outputs[0].shape, (std::vector<std::int64_t>{5, 1}));
    EXPECT_EQ(values_of<float>(reply.value().outputs[0]), expected);
  }
}

TEST_F(EngineTest, ANetworkKeepsTheSizesThatItsConfigurationLeavesOpen) {
  add_native("optimal", Network::Pfn, "",
             "max_batch_size: 8\n"
             "input { name: \"pf_features\" data_type: TYPE_FP32 dims: [ -1, -1 ] }\n"
             "input { name: \"pf_mask\" data_type: TYPE_FP32 dims: [ -1, 100 ] }\n"
             "input { name: \"jet_features\" data_type: TYPE_FP32 dims: -1 }\n");
  Engine engine = load();
  ASSERT_TRUE(engine.ready()) << engine.models()[0].reason;
  const std::vector<TensorSpec> inputs = engine.metadata("optimal").value().inputs;
  EXPECT_EQ(inputs[0].shape, (std::vector<std::int64_t>{-1, 6, -1}));
  EXPECT_EQ(inputs[1].shape, (std::vector<std::int64_t>{-1, 1, 100}));
  EXPECT_EQ(inputs[2].shape, (std::vector<std::int64_t>{-1, 8}));
  std::vector<Tensor> tensors = pad(sample_jets(1, 3, 3, 1).view(), 100, Network::Pfn);
  EXPECT_TRUE(engine.infer(request("optimal", tensors)).ok());
  tensors[0].shape[1] = 1;
  tensors[0].data.resize(tensors[0].data.size() / 6);
  expect_refused(engine, request("optimal", tensors), ErrorCode::InvalidArgument,
                 "unexpected shape for input 'pf_features'");
}

TEST_F(EngineTest, AnyOtherOnnxModelRunsInOnnxRuntime) {
  add_doubling("double", kDoublingConfig);
  Engine engine = load();
  ASSERT_TRUE(engine.ready("double", "1")) << engine.models()[0].reason;
  EXPECT_EQ(engine.models()[0].engine, "onnxruntime");
  const std::vector<Tensor> tensors = x(2);
  InferRequest asked = request("double", tensors);
  asked.outputs = {"y"};
  EXPECT_EQ(values_of<float>(engine.infer(asked).value().outputs.at(0)),
            (std::vector<float>{2, 4, 6, 8}));
}

TEST_F(EngineTest, NativeWeightsRunOnlyWithTheirOwnOnnxFile) {
  add_native("other", Network::Pfn, "0000000000000000");
  add_native("forced", Network::Pfn, "",
             "parameters { key: \"engine\" value { string_value: \"onnxruntime\" } }");
  add_native("native", Network::Pfn, "0000000000000000",
             "parameters { key: \"engine\" value { string_value: \"native\" } }");
  const Engine engine = load();
  const std::vector<ModelState> states = engine.models();
  ASSERT_EQ(states.size(), 3U);
  EXPECT_EQ(states[0].name, "forced");
  EXPECT_EQ(states[0].engine, "onnxruntime");
  EXPECT_THAT(states[0].reason, HasSubstr("asks for ONNX Runtime"));
  EXPECT_EQ(states[1].name, "native");
  EXPECT_FALSE(states[1].ready);
  EXPECT_EQ(states[2].engine, "onnxruntime");
  EXPECT_THAT(states[2].reason, HasSubstr("is not what model.onnx was made from"));
}

TEST_F(EngineTest, ComputesInThePrecisionThatTheConfigurationNames) {
  const auto precision = [](const std::string& name) {
    return "max_batch_size: 8\nparameters { key: \"precision\" value { string_value: \"" + name +
           "\" } }\n";
  };
  const models::Model model = add_native("fewer", Network::Pfn, "", precision("int16"));
  add_native("wrong", Network::Pfn, "", precision("float8"));
  add_native("elsewhere", Network::Pfn, "0000000000000000", precision("int16"));
  Engine engine = load();
  ASSERT_TRUE(engine.ready("fewer", "1")) << engine.models()[1].reason;
  const edm::FeatureBatch jets = sample_jets(5, 0, 20, 1);
  std::vector<float> expected(5);
  std::vector<float> exact(5);
  models::Predictor(model, models::predictor_options("int16")).predict(jets.view(), expected);
  models::Predictor(model).predict(jets.view(), exact);
  const std::vector<Tensor> tensors = pad(jets.view(), 23, Network::Pfn);
  const InferReply reply = engine.infer(request("fewer", tensors)).value();
  EXPECT_EQ(values_of<float>(reply.outputs.at(0)), expected);
  EXPECT_NE(expected, exact);
  const std::vector<ModelState> states = engine.models();
  EXPECT_FALSE(states[0].ready);
  EXPECT_THAT(states[0].reason, HasSubstr("'precision' is for jetcal's own forward pass"));
  EXPECT_FALSE(states[2].ready);
  EXPECT_THAT(states[2].reason, HasSubstr("wrong/config.pbtxt: precision: expected float32"));
}

TEST_F(EngineTest, MetadataAndConfigurationIncludeDefaults) {
  add_native("optimal", Network::ParticleNet);
  add_doubling("double", kDoublingConfig);
  const Engine engine = load();
  const ModelMetadata metadata = engine.metadata("optimal").value();
  EXPECT_EQ(metadata.platform, "onnxruntime_onnx");
  EXPECT_THAT(metadata.versions, testing::ElementsAre("1"));
  ASSERT_EQ(metadata.inputs.size(), 4U);
  EXPECT_EQ(metadata.inputs[0].name, "pf_points");
  EXPECT_EQ(metadata.inputs[0].shape, (std::vector<std::int64_t>{-1, 2, -1}));
  const nlohmann::ordered_json config = engine.config("optimal").value();
  EXPECT_EQ(config["max_batch_size"], 100000);
  EXPECT_EQ(config["input"][3]["dims"], nlohmann::ordered_json::array({8}));
  EXPECT_EQ(engine.metadata("double").value().inputs[0].shape, (std::vector<std::int64_t>{-1, 2}));
  EXPECT_EQ(engine.metadata("none").error().code(), ErrorCode::NotFound);
  EXPECT_EQ(engine.config("optimal", "2").error().code(), ErrorCode::NotFound);
}

TEST_F(EngineTest, ServesTheVersionsThatThePolicyNames) {
  add_doubling("double", "", "1");
  add_doubling("double", "", "2");
  add_doubling("double", "", "10");
  add_doubling("double", "", "011");  // no version: a leading zero
  const auto served = [&](const std::string& config) {
    write_file(folder_ / "double" / "config.pbtxt", config);
    std::vector<std::string> versions;
    for (const ModelState& state : load().models())
      versions.push_back(state.version + (state.ready ? "" : " not ready"));
    return versions;
  };
  EXPECT_THAT(served("name: \"double\""), testing::ElementsAre("10"));
  EXPECT_THAT(served("version_policy { latest { num_versions: 2 } }"),
              testing::ElementsAre("2", "10"));
  EXPECT_THAT(served("version_policy { all { } }"), testing::ElementsAre("1", "2", "10"));
  EXPECT_THAT(served("version_policy { specific { versions: [ 1, 7 ] } }"),
              testing::ElementsAre("1", "7 not ready"));
}

TEST_F(EngineTest, LatestVersionAnswersUnlessOneIsNamed) {
  add_doubling("double", "version_policy { all { } }", "1");
  add_doubling("double", "", "2");
  Engine engine = load();
  const std::vector<Tensor> tensors = x(1);
  InferRequest asked = request("double", tensors);
  EXPECT_EQ(engine.infer(asked).value().version, "2");
  asked.version = "1";
  EXPECT_EQ(engine.infer(asked).value().version, "1");
  asked.version = "3";
  expect_refused(engine, asked, ErrorCode::NotFound,
                 "Request for unknown model: 'double' version 3 is not found");
}

TEST_F(EngineTest, BrokenModelsAreListedWithTheirReason) {
  add_doubling("good");
  write_file(folder_ / "broken" / "1" / "model.onnx", "no model");
  std::filesystem::create_directories(folder_ / "empty");
  std::filesystem::create_directories(folder_ / ".optimal.part" / "1");
  std::filesystem::create_directories(folder_ / "missing" / "1");
  add_doubling("renamed", "name: \"other\"");
  add_doubling("typo", "max_batch: 4");
  add_doubling("wrong", "input { name: \"x\" data_type: TYPE_INT32 dims: [ -1, 2 ] }");
  Engine engine = load();
  EXPECT_FALSE(engine.ready());
  EXPECT_TRUE(engine.ready("good"));
  std::map<std::string, std::string> reasons;
  for (const ModelState& state : engine.models()) {
    EXPECT_EQ(state.ready, state.name == "good") << state.name << ": " << state.reason;
    reasons[state.name] = state.reason;
  }
  EXPECT_EQ(reasons.size(), 7U);
  EXPECT_THAT(reasons["broken"], HasSubstr("ONNX Runtime refuses"));
  EXPECT_THAT(reasons["empty"], HasSubstr("no version folder"));
  EXPECT_THAT(reasons["missing"], HasSubstr("no such file"));
  EXPECT_THAT(reasons["renamed"], HasSubstr("names the model 'other'"));
  EXPECT_THAT(reasons["typo"], HasSubstr("line 1: the field 'max_batch' is unknown"));
  EXPECT_THAT(reasons["wrong"], HasSubstr("as INT32 [-1,2], the model has FP32 [-1,2]"));
  const std::vector<Tensor> tensors = x(1);
  expect_refused(engine, request("empty", tensors), ErrorCode::Unavailable, "no version folder");
  EXPECT_THROW(Engine({folder_ / "nowhere", {}, 1, 0}), Error);
}

TEST_F(EngineTest, TruncatedWeightsAreNamed) {
  add_native("optimal", Network::Pfn);
  const auto file = folder_ / "optimal" / "1" / "model.jetcal";
  std::filesystem::resize_file(file, std::filesystem::file_size(file) / 2);
  const Engine engine = load();
  EXPECT_FALSE(engine.ready("optimal"));
  EXPECT_THAT(engine.models()[0].reason, HasSubstr("model.jetcal"));
}

TEST_F(EngineTest, RefusesRequestsInTheWordsOfTriton) {
  add_native("optimal", Network::ParticleNet);
  add_doubling("double", kDoublingConfig);
  Engine engine = load();
  const std::vector<Tensor> good = pad(sample_jets(2, 3, 3, 1).view(), 4, Network::ParticleNet);
  const auto refused = [&](const std::function<void(InferRequest&)>& change,
                           const std::string& text) {
    InferRequest bad = request("optimal", good);
    change(bad);
    expect_refused(engine, bad, ErrorCode::InvalidArgument, text);
  };
  refused([](InferRequest& r) { r.inputs[0].name = "points"; },
          "unexpected inference input 'points' for model 'optimal'");
  refused([](InferRequest& r) { r.inputs[1] = r.inputs[0]; }, "'pf_points' already exists");
  refused([](InferRequest& r) { r.inputs.pop_back(); },
          "expected 4 inputs but got 3 inputs for model 'optimal'. Got input(s) "
          "['pf_points','pf_features','pf_mask'], but missing required input(s) ['jet_features']");
  refused([](InferRequest& r) { r.inputs[2].type = DataType::Int32; },
          "inference input 'pf_mask' data-type is 'INT32', but model 'optimal' expects 'FP32'");
  refused(
      [](InferRequest& r) {
        r.inputs[2].shape = {2, 4, 1};
      },
      "unexpected shape for input 'pf_mask' for model 'optimal'. Expected [-1,1,-1], got "
      "[2,4,1]");
  refused([](InferRequest& r) { r.inputs[2].shape = {8}; }, "got [8]");
  refused([](InferRequest& r) { r.inputs[2].shape = {-2, 1, -4}; }, "unexpected shape");
  refused([](InferRequest& r) { r.inputs[2].data = r.inputs[2].data.first(31); },
          "input byte size mismatch for input 'pf_mask' for model 'optimal'. Expected 32, got 31");
  refused(
      [](InferRequest& r) {
        r.outputs = {"output", "z"};
      },
      "unexpected inference output 'z' for model 'optimal'");
  const std::vector<Tensor> longer = pad(sample_jets(2, 3, 3, 1).view(), 5, Network::ParticleNet);
  refused([&](InferRequest& r) { r.inputs[1] = longer[1].view(); },
          "unexpected shape for input 'pf_features' for model 'optimal'. Expected [2,6,4]");
  const std::vector<Tensor> more = pad(sample_jets(3, 3, 3, 1).view(), 4, Network::ParticleNet);
  refused([&](InferRequest& r) { r.inputs[3] = more[3].view(); },
          "input 'jet_features' batch size does not match other inputs for 'optimal'");
  const std::vector<Tensor> large = x(9);
  expect_refused(engine, request("double", large), ErrorCode::InvalidArgument,
                 "batch-size must be <= 8 for 'double'");
  const std::vector<Tensor> none = x(0);
  expect_refused(engine, request("double", none), ErrorCode::InvalidArgument, "at least 1");
  expect_refused(engine, request("none", none), ErrorCode::NotFound,
                 "Request for unknown model: 'none' is not found");
}

TEST_F(EngineTest, RefusesAShapeWhoseBytesOverflow) {
  write_file(folder_ / "open" / "1" / "model.onnx", doubling_model(kOnnxFloat, {"N", "N"}));
  write_file(folder_ / "open" / "config.pbtxt", "max_batch_size: 8");
  Engine engine = load();
  ASSERT_TRUE(engine.ready()) << engine.models()[0].reason;
  InferRequest asked{"open", "", "", {}, {}};
  asked.inputs.push_back({"x", DataType::Fp32, {1, std::int64_t{1} << 62}, {}});  // 2^64 bytes
  expect_refused(engine, asked, ErrorCode::InvalidArgument, "input byte size mismatch");
}

TEST_F(EngineTest, StatisticsCountRequestsJetsAndBatchSizes) {
  add_native("optimal", Network::Pfn);
  Engine engine = load();
  EXPECT_EQ(engine.statistics("optimal").value().at(0).last_inference_ms, 0);
  for (const std::int64_t size : {3, 1, 3}) {
    const std::vector<Tensor> tensors = pad(sample_jets(size, 1, 5, 1).view(), 5, Network::Pfn);
    ASSERT_TRUE(engine.infer(request("optimal", tensors)).ok());
  }
  const std::vector<Tensor> wrong = x(1);
  ASSERT_FALSE(engine.infer(request("optimal", wrong)).ok());
  const ModelStatistics statistics = engine.statistics("optimal", "1").value().at(0);
  EXPECT_EQ(statistics.inference_count, 7);
  EXPECT_EQ(statistics.execution_count, 3);
  EXPECT_EQ(statistics.success.count, 3);
  EXPECT_EQ(statistics.fail.count, 1);
  EXPECT_GT(statistics.last_inference_ms, 1'600'000'000'000);
  EXPECT_EQ(statistics.queue.count, 3);
  EXPECT_GT(statistics.compute_infer.ns, 0);
  EXPECT_LE(statistics.queue.ns + statistics.compute_input.ns + statistics.compute_infer.ns +
                statistics.compute_output.ns,
            statistics.success.ns);
  ASSERT_EQ(statistics.batches.size(), 2U);
  EXPECT_EQ(statistics.batches[0].batch_size, 1);
  EXPECT_EQ(statistics.batches[1].batch_size, 3);
  EXPECT_EQ(statistics.batches[1].compute_infer.count, 2);
  EXPECT_EQ(engine.statistics().value().size(), 1U);
  EXPECT_EQ(engine.statistics("none").error().code(), ErrorCode::InvalidArgument);
}

TEST_F(EngineTest, InstancesAndWarmUp) {
  const std::string warm = std::string(kDoublingConfig) +
                           " instance_group { count: 3 kind: KIND_CPU } model_warmup { name: \"w\" "
                           "batch_size: 2 inputs { key: \"x\" value { data_type: TYPE_FP32 dims: 2 "
                           "random_data: true } } }";
  add_doubling("double", warm);
  add_doubling("cold",
               "max_batch_size: 8"
               " model_warmup { name: \"w\" inputs { key: \"q\" value { data_type: "
               "TYPE_FP32 dims: 2 zero_data: true } } }");
  add_doubling("gpu", "instance_group { kind: KIND_GPU }");
  Engine engine = load();
  EXPECT_TRUE(engine.ready("double"));
  EXPECT_EQ(engine.statistics("double").value()[0].execution_count, 0);  // warm-up is not counted
  EXPECT_THAT(engine.models()[0].reason, HasSubstr("unexpected inference input 'q'"));
  EXPECT_THAT(engine.models()[2].reason, HasSubstr("KIND_GPU"));
  const std::vector<Tensor> tensors = x(1);
  std::promise<void> release;
  const std::shared_future<void> released = release.get_future().share();
  std::atomic<int> inside{0};
  for (int i = 0; i < 3; ++i)
    engine.submit(request("double", tensors), [&](const Result<InferReply>&) {
      ++inside;
      released.wait();
    });
  while (inside < 3) std::this_thread::yield();  // three at a time
  release.set_value();
  engine.drain();
}

}  // namespace
}  // namespace jetcal::engine
