// SPDX-License-Identifier: Apache-2.0
#include "jetcal/engine/onnx_session.h"

#include <gmock/gmock.h>

#include "jetcal/base/error.h"
#include "tests/engine/repository_fixture.h"

namespace jetcal::engine {
namespace {

class OnnxSessionTest : public RepositoryTest {
 protected:
  std::filesystem::path model(int type, const std::vector<std::string>& shape) {
    write_file(folder_ / "m.onnx", doubling_model(type, shape));
    return folder_ / "m.onnx";
  }
  static ErrorCode code_of(const std::function<void()>& body) {
    try {
      body();
    } catch (const Error& error) {
      return error.code();
    }
    ADD_FAILURE() << "nothing was thrown";
    return ErrorCode::Internal;
  }
  OnnxSessionOptions one_thread_{GraphOptimization::All, 1, true};
};

TEST_F(OnnxSessionTest, RunsAModelAndDescribesIt) {
  const OnnxSession session(model(kOnnxFloat, {"N", "2"}), one_thread_);
  ASSERT_EQ(session.inputs().size(), 1U);
  EXPECT_EQ(session.inputs()[0].name, "x");
  EXPECT_EQ(session.inputs()[0].type, DataType::Fp32);
  EXPECT_EQ(session.inputs()[0].shape, (std::vector<std::int64_t>{-1, 2}));
  const Tensor x = make_tensor<float>("x", DataType::Fp32, {2, 2}, {1, 2, 3, 4.5F});
  const std::vector<TensorView> inputs{x.view()};
  const std::vector<Tensor> outputs = session.run(inputs);
  ASSERT_EQ(outputs.size(), 1U);
  EXPECT_EQ(outputs[0].name, "y");
  EXPECT_EQ(outputs[0].shape, x.shape);
  EXPECT_THAT(values_of<float>(outputs[0]), testing::ElementsAre(2, 4, 6, 9));
}

TEST_F(OnnxSessionTest, RunsOtherElementTypesOddAddressesAndEmptyBatches) {
  const OnnxSession session(model(kOnnxInt64, {"N"}), one_thread_);
  Tensor x = make_tensor<std::int64_t>("x", DataType::Int64, {2}, {1LL << 40, -3});
  std::vector<std::byte> shifted(x.data.size() + 3);
  std::memcpy(shifted.data() + 3, x.data.data(), x.data.size());
  const std::vector<TensorView> odd{
      {"x", DataType::Int64, {2}, std::span<const std::byte>(shifted).subspan(3)}};
  EXPECT_THAT(values_of<std::int64_t>(session.run(odd)[0]), testing::ElementsAre(1LL << 41, -6));
  const std::vector<TensorView> empty{{"x", DataType::Int64, {0}, {}}};
  EXPECT_EQ(session.run(empty)[0].shape, (std::vector<std::int64_t>{0}));
}

TEST_F(OnnxSessionTest, RefusesWhatDoesNotFit) {
  const OnnxSession session(model(kOnnxFloat, {"N", "2"}), one_thread_);
  const Tensor x = make_tensor<float>("x", DataType::Fp32, {1, 2}, {1, 2});
  const auto run = [&](TensorView view, std::vector<std::string> outputs = {}) {
    return code_of([&] { session.run(std::vector<TensorView>{std::move(view)}, outputs); });
  };
  TensorView view = x.view();
  view.name = std::string("z");  // not a literal: GCC 12 warns of it without cause
  EXPECT_EQ(run(view), ErrorCode::InvalidArgument);
  view = x.view();
  view.type = DataType::Int32;
  EXPECT_EQ(run(view), ErrorCode::InvalidArgument);
  view = x.view();
  view.shape = {2, 2};
  EXPECT_EQ(run(view), ErrorCode::InvalidArgument);
  view.shape = {2, 1};  // right number of bytes, wrong shape: ONNX Runtime finds it
  EXPECT_EQ(run(view), ErrorCode::InvalidArgument);
  EXPECT_EQ(run(x.view(), {"z"}), ErrorCode::InvalidArgument);
  EXPECT_EQ(code_of([&] { session.run({}); }), ErrorCode::InvalidArgument);
}

TEST_F(OnnxSessionTest, RefusesFilesThatAreNoModels) {
  EXPECT_EQ(code_of([&] { OnnxSession(folder_ / "none.onnx"); }), ErrorCode::NotFound);
  write_file(folder_ / "text.onnx", "this is no ONNX model");
  EXPECT_EQ(code_of([&] { OnnxSession(folder_ / "text.onnx", one_thread_); }), ErrorCode::DataLoss);
}

TEST_F(OnnxSessionTest, KnowsItsVersion) {
  ASSERT_TRUE(onnxruntime_available());
  EXPECT_THAT(onnxruntime_version(), testing::MatchesRegex("1\\.[0-9]+\\.[0-9]+"));
}

}  // namespace
}  // namespace jetcal::engine
