// SPDX-License-Identifier: Apache-2.0
#include "jetcal/engine/detail/batch_tensors.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstring>

#include "jetcal/base/error.h"
#include "jetcal/engine/detail/served_model_config.h"

namespace jetcal::engine::detail {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

const std::string kInputs =
    "max_batch_size: 8\n"
    "input [ { name: \"x\" data_type: TYPE_FP32 dims: [ -1, 2 ] allow_ragged_batch: true },"
    "        { name: \"g\" data_type: TYPE_FP32 dims: 1 } ]\n"
    "output [ { name: \"y\" data_type: TYPE_FP32 dims: [ -1, 2 ] },"
    "         { name: \"s\" data_type: TYPE_STRING dims: 1 } ]\n";

BatchTensors parse(const std::string& more) {
  return parse_config(kInputs + more, "config.pbtxt").batch_tensors;
}

std::string problem(const std::string& more) {
  try {
    parse(more);
  } catch (const Error& error) {
    return error.what();
  }
  return "accepted";
}

template <typename T>
std::vector<T> values(const Tensor& tensor) {
  std::vector<T> out(tensor.data.size() / sizeof(T));
  std::memcpy(out.data(), tensor.data.data(), tensor.data.size());
  return out;
}

// Requests of one row of 3, two rows of 2 and one row of 1 with 2 features each.
const std::vector<std::vector<std::int64_t>> kShapes{{1, 3, 2}, {2, 2, 2}, {1, 1, 2}};

Tensor make(BatchInputKind kind) {
  return make_batch_input({kind, {"n"}, DataType::Int32, "x"}, kShapes);
}

TEST(BatchTensors, CountsElementsOfEachRequest) {
  EXPECT_THAT(values<std::int32_t>(make(BatchInputKind::ElementCount)), ElementsAre(6, 8, 2));
  EXPECT_THAT(values<std::int32_t>(make(BatchInputKind::AccumulatedElementCount)),
              ElementsAre(6, 14, 16));
  const Tensor with_zero = make(BatchInputKind::AccumulatedElementCountWithZero);
  EXPECT_THAT(values<std::int32_t>(with_zero), ElementsAre(0, 6, 14, 16));
  EXPECT_THAT(with_zero.shape, ElementsAre(4));
  EXPECT_THAT(make(BatchInputKind::MaxElementCountAsShape).shape, ElementsAre(8));
}

TEST(BatchTensors, GivesTheShapeOfEachRow) {
  const Tensor shapes = make(BatchInputKind::ItemShape);
  EXPECT_THAT(shapes.shape, ElementsAre(4, 2));
  EXPECT_THAT(values<std::int32_t>(shapes), ElementsAre(3, 2, 2, 2, 2, 2, 1, 2));
  const Tensor flat = make(BatchInputKind::ItemShapeFlatten);
  EXPECT_THAT(flat.shape, ElementsAre(8));
  EXPECT_EQ(flat.data, shapes.data);
}

TEST(BatchTensors, RefusesACountThatTheTypeCannotHold) {
  const BatchInput input{BatchInputKind::AccumulatedElementCount, {"n"}, DataType::Fp32, "x"};
  const std::int64_t most = std::int64_t{1} << 24;
  EXPECT_THAT(values<float>(make_batch_input(input, {{most - 1}, {1}})),
              ElementsAre(16777215.0F, 16777216.0F));
  EXPECT_THROW(make_batch_input(input, {{most}, {1}}), Error);
}

TEST(BatchTensors, ReadsWhatAConfigurationSays) {
  const BatchTensors tensors = parse(
      "batch_input [ { kind: BATCH_ACCUMULATED_ELEMENT_COUNT_WITH_ZERO target_name: \"n\""
      " target_name: \"m\" data_type: TYPE_INT32 source_input: \"x\" } ]\n"
      "batch_output [ { kind: BATCH_SCATTER_WITH_INPUT_SHAPE target_name: \"y\""
      " source_input: \"x\" } ]\n");
  EXPECT_TRUE(tensors.is_ragged("x"));
  EXPECT_FALSE(tensors.is_ragged("g"));
  ASSERT_EQ(tensors.inputs.size(), 1U);
  EXPECT_EQ(tensors.inputs[0].kind, BatchInputKind::AccumulatedElementCountWithZero);
  EXPECT_THAT(tensors.inputs[0].targets, ElementsAre("n", "m"));
  ASSERT_NE(tensors.find_output("y"), nullptr);
  EXPECT_THAT(batch_output_shape(*tensors.find_output("y"), {2, 5, 2}), ElementsAre(2, 5, 2));
  EXPECT_EQ(batch_inputs_json(tensors)[0]["kind"], "BATCH_ACCUMULATED_ELEMENT_COUNT_WITH_ZERO");
  EXPECT_EQ(batch_outputs_json(tensors)[0]["target_name"][0], "y");
}

TEST(BatchTensors, NamesWhatIsWrong) {
  const auto input = [](const std::string& fields) { return "batch_input [ { " + fields + " } ]"; };
  const std::string good = "target_name: \"n\" data_type: TYPE_INT32 source_input: \"x\"";
  EXPECT_EQ(problem(input(good)), "accepted");  // the kind has a default
  EXPECT_THAT(problem(input("kind: BATCH_MAGIC " + good)), HasSubstr("BATCH_MAGIC"));
  EXPECT_THAT(problem(input("target_name: \"n\" data_type: TYPE_INT32")),
              HasSubstr("1 source_input, not 0"));
  EXPECT_THAT(problem(input(good + " source_input: \"g\"")), HasSubstr("1 source_input, not 2"));
  EXPECT_THAT(problem(input("target_name: \"n\" data_type: TYPE_INT32 source_input: \"q\"")),
              HasSubstr("'q', which is no input"));
  EXPECT_THAT(problem(input("target_name: \"n\" data_type: TYPE_INT64 source_input: \"x\"")),
              HasSubstr("TYPE_INT64"));
  EXPECT_THAT(problem(input("data_type: TYPE_INT32 source_input: \"x\"")),
              HasSubstr("no target_name"));
  EXPECT_THAT(problem(input("target_name: \"g\" data_type: TYPE_INT32 source_input: \"x\"")),
              HasSubstr("which clients send"));
  const auto output = [](const std::string& target, const std::string& source) {
    return "batch_output [ { target_name: \"" + target + "\" source_input: \"" + source + "\" } ]";
  };
  EXPECT_EQ(problem(output("y", "x")), "accepted");
  EXPECT_THAT(problem(output("q", "x")), HasSubstr("is no output"));
  EXPECT_THAT(problem(output("y", "g")), HasSubstr("2 dimensions"));
  EXPECT_EQ(problem(output("s", "g")), "accepted");
  EXPECT_THAT(problem(output("y", "x") + output("y", "x")), HasSubstr("named twice"));
  const std::string unbatched =
      "input [ { name: \"x\" data_type: TYPE_FP32 dims: 1 allow_ragged_batch: true } ]";
  try {
    parse_config(unbatched, "config.pbtxt");
    ADD_FAILURE();
  } catch (const Error& error) {
    EXPECT_THAT(error.what(), HasSubstr("max_batch_size above 0"));
  }
}

}  // namespace
}  // namespace jetcal::engine::detail
