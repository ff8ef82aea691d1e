// SPDX-License-Identifier: Apache-2.0
// Many requests at a time: their batches, the order of their answers, and who is refused.
#include <atomic>
#include <future>
#include <mutex>
#include <thread>

#include "jetcal/engine/engine.h"
#include "jetcal/engine/padded_batch.h"
#include "jetcal/engine/ragged_batch.h"
#include "jetcal/engine/sample_jets.h"
#include "jetcal/models/predictor.h"
#include "tests/engine/engine_fixture.h"

namespace jetcal::engine {
namespace {

using models::Network;

TEST_F(EngineTest, ManyThreadsGetTheirOwnAnswers) {
  const models::Model model = add_native("optimal", Network::ParticleNet);
  add_doubling("double", kDoublingConfig);
  Engine engine = load();
  const models::Predictor predictor(model);
  constexpr int kThreads = 4;
  constexpr int kRequests = 10;
  std::atomic<int> wrong{0};
  std::vector<std::thread> threads;
  for (int t = 0; t < kThreads; ++t) {
    threads.emplace_back([&, t] {
      for (int i = 0; i < kRequests; ++i) {
        const edm::FeatureBatch jets = sample_jets(1 + i % 3, 0, 12, 100 * t + i);
        std::vector<float> expected(jets.num_jets());
        predictor.predict(jets.view(), expected);
        const std::vector<Tensor> tensors = pad(jets.view(), 12 + t, Network::ParticleNet);
        const Result<InferReply> reply = engine.infer(request("optimal", tensors));
        if (!reply.ok() || values_of<float>(reply.value().outputs[0]) != expected) ++wrong;
        const std::vector<Tensor> input = x(1 + t);
        if (!engine.infer(request("double", input)).ok()) ++wrong;
        static_cast<void>(engine.statistics());
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(wrong, 0);
  EXPECT_EQ(engine.statistics("optimal").value()[0].success.count, kThreads * kRequests);
}

// Holds the worker inside the answer of one request, so that the next ones wait in the queue.
TEST_F(EngineTest, FullQueueRefusesAndTheRestIsAnsweredInOrder) {
  add_doubling("double", kDoublingConfig);
  Engine engine = load(/*max_queue_size=*/2);
  const std::vector<Tensor> tensors = x(1);
  std::promise<void> entered;
  std::promise<void> release;
  std::vector<std::string> order;  // only the worker writes it, and the refusals
  std::mutex mutex;
  const auto note = [&](const std::string& name) {
    const std::lock_guard lock(mutex);
    order.push_back(name);
  };
  engine.submit(request("double", tensors), [&](const Result<InferReply>&) {
    entered.set_value();
    release.get_future().wait();
    note("first");
  });
  entered.get_future().wait();
  EXPECT_FALSE(engine.refuse_if_full("double"));
  for (const char* name : {"second", "third", "fourth"}) {
    engine.submit(request("double", tensors), [&, name](const Result<InferReply>& reply) {
      if (!reply.ok()) {
        EXPECT_EQ(reply.error().code(), ErrorCode::ResourceExhausted);
      }
      note(std::string(name) + (reply.ok() ? "" : " refused"));
    });
  }
  EXPECT_EQ(engine.statistics("double").value()[0].pending, 2);
  const auto refusal = engine.refuse_if_full("double");
  ASSERT_TRUE(refusal);
  EXPECT_EQ(refusal->code(), ErrorCode::ResourceExhausted);
  EXPECT_STREQ(refusal->what(), "Exceeds maximum queue size");
  EXPECT_FALSE(engine.refuse_if_full("nobody"));
  EXPECT_EQ(engine.statistics("double").value()[0].rejected, 2U);
  release.set_value();
  engine.drain();
  EXPECT_THAT(order, testing::ElementsAre("fourth refused", "first", "second", "third"));
}

TEST_F(EngineTest, DrainAnswersWhatIsQueuedAndRefusesTheRest) {
  add_doubling("double", kDoublingConfig);
  Engine engine = load();
  const std::vector<Tensor> tensors = x(1);
  std::atomic<int> answered{0};
  for (int i = 0; i < 20; ++i)
    engine.submit(request("double", tensors), [&](const Result<InferReply>& reply) {
      if (reply.ok()) ++answered;
    });
  engine.drain();
  EXPECT_EQ(answered, 20);
  EXPECT_FALSE(engine.ready());
  EXPECT_FALSE(engine.ready("double"));
  expect_refused(engine, request("double", tensors), ErrorCode::Unavailable, "shutting down");
}

TEST_F(EngineTest, RaggedRequestsGiveTheSameNumbers) {
  for (const Network network : {Network::Pfn, Network::ParticleNet}) {
    add_native("optimal", network);
    Engine engine = load();
    const edm::FeatureBatch jets = sample_jets(6, 0, 20, 4);
    const std::vector<Tensor> padded = pad(jets.view(), 20, network);
    const std::vector<Tensor> ragged = make_ragged(jets.view());
    const auto expected = engine.infer(request("optimal", padded)).value();
    const auto reply = engine.infer(request("optimal", ragged)).value();
    EXPECT_EQ(values_of<float>(reply.outputs.at(0)), values_of<float>(expected.outputs.at(0)));
    std::vector<Tensor> wrong = ragged;
    wrong[1].shape[0] += 1;
    expect_refused(engine, request("optimal", wrong), ErrorCode::InvalidArgument, "adds up to");
  }
}

// Holds the worker inside an answer, so that what comes meanwhile forms one batch.
TEST_F(EngineTest, WaitingRequestsFormOneBatchAndEachGetsItsOwnPart) {
  const models::Model model = add_native("optimal", Network::ParticleNet);
  add_doubling("double", std::string(kDoublingConfig) + " dynamic_batching { }");
  Engine engine = load();
  ASSERT_TRUE(engine.ready()) << engine.models()[0].reason;
  for (const std::string name : {"optimal", "double"}) {
    const bool native = name == "optimal";
    std::vector<std::vector<Tensor>> inputs;
    for (int i = 0; i < 4; ++i) {
      const edm::FeatureBatch jets = sample_jets(1 + i % 2, 0, 9, 7 + i);
      inputs.push_back(!native  ? x(1 + i % 2)
                       : i == 2 ? make_ragged(jets.view())
                                : pad(jets.view(), 9 + i, Network::ParticleNet));
    }
    std::vector<std::vector<float>> expected;
    for (const auto& tensors : inputs)
      expected.push_back(values_of<float>(engine.infer(request(name, tensors)).value().outputs[0]));
    const std::int64_t before = engine.statistics(name).value()[0].execution_count;
    std::promise<void> entered;
    std::promise<void> release;
    engine.submit(request(name, inputs[0]), [&](const Result<InferReply>&) {
      entered.set_value();
      release.get_future().wait();
    });
    entered.get_future().wait();
    std::vector<std::promise<std::vector<float>>> answers(4);
    for (int i = 0; i < 4; ++i)
      engine.submit(request(name, inputs[i]), [&, i](Result<InferReply> reply) {
        answers[i].set_value(values_of<float>(reply.value().outputs[0]));
      });
    release.set_value();
    for (int i = 0; i < 4; ++i) EXPECT_EQ(answers[i].get_future().get(), expected[i]) << i;
    const ModelStatistics statistics = engine.statistics(name).value()[0];
    EXPECT_EQ(statistics.execution_count, before + 2) << name;
    EXPECT_EQ(statistics.batches.back().batch_size, 6);
    EXPECT_EQ(statistics.request_latency.count(), statistics.success.count);
  }
}

TEST_F(EngineTest, AnswersOnlyTheOutputsOfTheConfigurationAndInItsOrder) {
  const std::string z = "output { name: \"z\" data_type: TYPE_FP32 dims: 2 }\n";
  const std::string y = "output { name: \"y\" data_type: TYPE_FP32 dims: 2 }\n";
  for (const auto& [name, outputs] : {std::pair("one", z), std::pair("turned", z + y)}) {
    write_file(folder_ / name / "1" / "model.onnx", two_output_model());
    write_file(folder_ / name / "config.pbtxt", "max_batch_size: 8\n" + outputs);
  }
  Engine engine = load();
  ASSERT_TRUE(engine.ready()) << engine.models()[0].reason;
  const std::vector<Tensor> tensors = x(1);
  const auto one = engine.infer(request("one", tensors)).value().outputs;
  ASSERT_EQ(one.size(), 1U);
  EXPECT_EQ(one[0].name, "z");
  const auto turned = engine.infer(request("turned", tensors)).value().outputs;
  ASSERT_EQ(turned.size(), 2U);
  EXPECT_EQ(turned[0].name, "z");
}

// Holds the worker inside an answer, so that what comes meanwhile forms one batch.
TEST_F(EngineTest, TheOrderOfOutputsDoesNotDependOnTheRestOfTheBatch) {
  write_file(folder_ / "two" / "1" / "model.onnx", two_output_model());
  write_file(folder_ / "two" / "config.pbtxt", "max_batch_size: 8 dynamic_batching { }");
  Engine engine = load();
  ASSERT_TRUE(engine.ready()) << engine.models()[0].reason;
  const std::vector<Tensor> tensors = x(1);
  std::promise<void> entered;
  std::promise<void> release;
  engine.submit(request("two", tensors), [&](const Result<InferReply>&) {
    entered.set_value();
    release.get_future().wait();
  });
  entered.get_future().wait();
  InferRequest second = request("two", tensors);
  second.outputs = {"z"};
  engine.submit(second, [](const Result<InferReply>&) {});
  second.outputs = {"y", "z"};
  std::promise<std::vector<std::string>> names;
  engine.submit(second, [&](const Result<InferReply>& reply) {
    std::vector<std::string> got;
    for (const Tensor& output : reply.value().outputs) got.push_back(output.name);
    names.set_value(std::move(got));
  });
  release.set_value();
  EXPECT_THAT(names.get_future().get(), testing::ElementsAre("y", "z"));
  engine.drain();
  EXPECT_EQ(engine.statistics("two").value()[0].execution_count, 2);
}

}  // namespace
}  // namespace jetcal::engine
