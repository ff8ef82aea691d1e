// SPDX-License-Identifier: Apache-2.0
#include "jetcal/client/infer_message.h"

#include <gmock/gmock.h>

#include <cstring>
#include <limits>
#include <nlohmann/json.hpp>

#include "jetcal/base/error.h"

namespace jetcal::client {
namespace {

using engine::DataType;
using engine::Tensor;
using nlohmann::ordered_json;
using ::testing::HasSubstr;

template <typename T>
Tensor tensor_of(DataType type, const std::vector<T>& values) {
  Tensor tensor{"x", type, {static_cast<std::int64_t>(values.size())}, {}};
  tensor.data.resize(values.size() * sizeof(T));
  std::memcpy(tensor.data.data(), values.data(), tensor.data.size());
  return tensor;
}

InferRequest request_of(Tensor tensor, TensorCoding coding) {
  InferRequest request;
  request.model = "m";
  request.inputs.push_back(std::move(tensor));
  request.coding = coding;
  return request;
}

// What a server that returns its input answers, in JSON.
InferReply echo(const Tensor& tensor) {
  ordered_json document = ordered_json::parse(encode(request_of(tensor, TensorCoding::Json)).body);
  document["outputs"] = document["inputs"];
  return decode(document.dump(), std::nullopt);
}

TEST(InferMessage, PutsBinaryTensorsBehindTheJson) {
  InferRequest request =
      request_of(tensor_of<float>(DataType::Fp32, {1, 2, 3}), TensorCoding::Binary);
  request.outputs = {"y"};
  request.id = "seven";
  request.priority = 2;
  request.timeout_us = 5000;
  const EncodedRequest encoded = encode(request);
  EXPECT_EQ(encoded.body.size(), encoded.json_length + 12);
  const ordered_json document = ordered_json::parse(encoded.body.substr(0, encoded.json_length));
  EXPECT_EQ(document["id"], "seven");
  EXPECT_EQ(document["parameters"], (ordered_json{{"priority", 2}, {"timeout", 5000}}));
  EXPECT_EQ(document["inputs"][0]["parameters"]["binary_data_size"], 12);
  EXPECT_EQ(document["outputs"][0]["parameters"]["binary_data"], true);
}

TEST(InferMessage, KeepsEveryValueInJson) {
  const auto same = [](const Tensor& tensor) {
    EXPECT_EQ(echo(tensor).output("x").data, tensor.data) << engine::data_type_name(tensor.type);
  };
  same(tensor_of<float>(DataType::Fp32, {0.1F, -0.0F, 1e-45F, 3.4028235e38F, 1.0F / 3}));
  same(tensor_of<double>(DataType::Fp64, {0.1, 5e-324, 1.7976931348623157e308}));
  same(tensor_of<std::int8_t>(DataType::Int8, {-128, 127}));
  same(tensor_of<std::uint64_t>(DataType::Uint64, {0, ~std::uint64_t{0}}));
  same(tensor_of<std::int64_t>(DataType::Int64, {std::numeric_limits<std::int64_t>::min(), 7}));
  same(tensor_of<std::uint8_t>(DataType::Bool, {0, 1}));
  Tensor strings{"x", DataType::Bytes, {2}, {}};
  for (const char letter : std::string("\x02\0\0\0ab\0\0\0\0", 10))
    strings.data.push_back(static_cast<std::byte>(letter));
  same(strings);
  EXPECT_THAT(encode(request_of(tensor_of<float>(DataType::Fp32, {0.1F}), TensorCoding::Json)).body,
              HasSubstr("[0.1]"));
}

TEST(InferMessage, RefusesWhatJsonCannotHold) {
  const auto message = [](const Tensor& tensor) {
    try {
      encode(request_of(tensor, TensorCoding::Json));
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), ErrorCode::InvalidArgument);
      return std::string(error.what());
    }
    return std::string("nothing was thrown");
  };
  EXPECT_THAT(message(tensor_of<float>(DataType::Fp32, {NAN})), HasSubstr("'x'"));
  EXPECT_THAT(message(tensor_of<std::uint16_t>(DataType::Fp16, {1})), HasSubstr("16-bit"));
  Tensor tensor = tensor_of<float>(DataType::Fp32, {1});
  tensor.shape = {2};
  EXPECT_THAT(message(tensor), HasSubstr("[2]"));
}

TEST(InferMessage, RefusesRepliesThatAreNotTheProtocol) {
  const auto reply = [](const std::string& output) {
    return R"({"model_name":"m","outputs":[)" + output + "]}";
  };
  const std::vector<std::string> cases{
      "",
      "{",
      "[]",
      "null",
      R"({"outputs":{}})",
      R"({"outputs":[3]})",
      reply(R"({"name":"y"})"),
      reply(R"({"name":"y","datatype":"FP32","shape":[1]})"),
      reply(R"({"name":"y","datatype":"FP32","shape":[-1],"data":[]})"),
      reply(R"({"name":"y","datatype":"FP32","shape":["1"],"data":[1]})"),
      reply(R"({"name":"y","datatype":"FP32","shape":[2],"data":[1]})"),
      reply(R"({"name":"y","datatype":"FP32","shape":[1],"data":["1"]})"),
      reply(R"({"name":"y","datatype":"FP32","shape":[1],"data":)" + std::string(1000000, '[') +
            "1" + std::string(1000000, ']') + "}"),
      reply(R"({"name":"y","datatype":"FP16","shape":[1],"data":[1]})"),
      reply(R"({"name":"y","datatype":"INT8","shape":[1],"data":[128]})"),
      reply(R"({"name":"y","datatype":"INT32","shape":[1],"data":[1.5]})"),
      reply(R"({"name":"y","datatype":"UINT8","shape":[1],"data":[-1]})"),
      reply(R"({"name":"y","datatype":"FP32","shape":[4611686018427387904,4],"data":[]})"),
      reply(R"({"name":"y","datatype":"FP32","shape":[1],"parameters":{"binary_data_size":-4}})"),
      reply(R"({"name":"y","datatype":"FP32","shape":[1],"parameters":{"binary_data_size":4}})")};
  for (const std::string& body : cases) {
    const std::string shown = body.substr(0, 100);
    try {
      decode(body, std::nullopt);
      ADD_FAILURE() << shown;
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), ErrorCode::DataLoss) << shown;
    }
  }
  EXPECT_THROW(decode("{}", 3), Error);
}

TEST(InferMessage, CopiesFloatsOfTheRightNumberOnly) {
  const InferReply reply = echo(tensor_of<float>(DataType::Fp32, {1, 2}));
  std::array<float, 2> values{};
  reply.copy("x", values);
  EXPECT_EQ(values[1], 2);
  std::array<float, 3> more{};
  EXPECT_THROW(reply.copy("x", more), Error);
  EXPECT_THROW(reply.copy("y", values), Error);
}

}  // namespace
}  // namespace jetcal::client
