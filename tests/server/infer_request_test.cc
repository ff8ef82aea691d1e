// SPDX-License-Identifier: Apache-2.0
#include "jetcal/server/infer_request.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "jetcal/base/error.h"

namespace jetcal::server {
namespace {

using testing::HasSubstr;

// Holds a body with the padding that the parser may read, and not one byte more.
BodyBuffer body_of(const std::string& text) {
  BodyBuffer body;
  body.reserve(text.size(), 0);
  body.append(text);
  return body;
}

std::string error_of(const std::string& json, const std::string& tensors = "") {
  const BodyBuffer body = body_of(json + tensors);
  try {
    parse_infer(body.view(), json.size());
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::InvalidArgument);
    return error.what();
  }
  return "accepted";
}

std::string input(const std::string& members) { return R"({"inputs":[{)" + members + "}]}"; }

struct BadRequest {
  const char* name;
  std::string json;
  std::string problem;
  std::string tensors = "";
};

class InferRequestRefuses : public testing::TestWithParam<BadRequest> {};

TEST_P(InferRequestRefuses, WithOneSentence) {
  EXPECT_THAT(error_of(GetParam().json, GetParam().tensors), HasSubstr(GetParam().problem));
}

const std::string kHead = R"("name":"x","datatype":"FP32",)";
const std::string kBinary4 = kHead + R"("shape":[1],"parameters":{"binary_data_size":4})";

INSTANTIATE_TEST_SUITE_P(
    Table, InferRequestRefuses,
    testing::Values(
        BadRequest{"Empty", "", "is empty"}, BadRequest{"NoJson", "{", "failed to parse"},
        BadRequest{"Trailing", "{} {}", "failed to parse"},
        BadRequest{"Array", "[]", "non-existing object member 'inputs'"},
        BadRequest{"BareNan", input(kHead + R"("shape":[1],"data":[NaN])"), "failed to parse"},
        BadRequest{"Deep", std::string(200, '[') + std::string(200, ']'), "failed to parse"},
        BadRequest{"NoInputs", "{}", "'inputs'"},
        BadRequest{"NullInputs", R"({"inputs":null})", "'inputs'"},
        BadRequest{"InputIsText", R"({"inputs":["x"]})", "non-existing object member 'name'"},
        BadRequest{"NumericId", R"({"id":1,"inputs":[]})", "'id'"},
        BadRequest{"NoName", input(R"("shape":[1],"datatype":"FP32","data":[1])"), "'name'"},
        BadRequest{"NoShape", input(kHead + R"("data":[1])"), "'shape'"},
        BadRequest{"NoType", input(R"("name":"x","shape":[1],"data":[1])"), "'datatype'"},
        BadRequest{"UnknownType", input(R"("name":"x","shape":[1],"datatype":"FP31","data":[1])"),
                   "invalid datatype for input x"},
        BadRequest{"TritonType",
                   input(R"("name":"x","shape":[1],"datatype":"TYPE_FP32","data":[1])"),
                   "invalid datatype"},
        BadRequest{"NegativeShape", input(kHead + R"("shape":[-1],"data":[1])"),
                   "non-unsigned-integer"},
        BadRequest{"FloatShape", input(kHead + R"("shape":[1.5],"data":[1])"),
                   "non-unsigned-integer"},
        BadRequest{"HugeShape", input(kHead + R"("shape":[4294967296,4294967296],"data":[1])"),
                   "too many elements"},
        BadRequest{"LargeShape", input(kHead + R"("shape":[1000000000],"data":[1])"),
                   "Shape does not match"},
        BadRequest{"NoData", input(kHead + R"("shape":[1])"), "no field is set"},
        BadRequest{"NullData", input(kHead + R"("shape":[1],"data":null)"), "non-array as array"},
        BadRequest{"TooFew", input(kHead + R"("shape":[2],"data":[1])"), "Shape does not match"},
        BadRequest{"TooMany", input(kHead + R"("shape":[1],"data":[1,2])"), "Shape does not match"},
        BadRequest{"NullElement", input(kHead + R"("shape":[1],"data":[null])"),
                   "non-number as double"},
        BadRequest{"TextElement", input(kHead + R"("shape":[1],"data":["1"])"),
                   "non-number as double"},
        BadRequest{"OutOfRange", input(kHead + R"("shape":[1],"data":[1e39])"), "range of FP32"},
        BadRequest{"WrongNesting", input(kHead + R"("shape":[2,2],"data":[[1,2,3],[4]])"),
                   "shape [2,2]"},
        BadRequest{"TooDeep", input(kHead + R"("shape":[2],"data":[[1],[2]])"),
                   "Shape does not match"},
        BadRequest{"Mixed", input(kHead + R"("shape":[2],"data":[1,[2]])"), "Shape does not match"},
        BadRequest{"FloatForInt",
                   input(R"("name":"x","datatype":"INT32","shape":[1],"data":[1.5])"),
                   "non-signed-integer"},
        BadRequest{"Uint8Range", input(R"("name":"x","datatype":"UINT8","shape":[1],"data":[256])"),
                   "range of UINT8"},
        BadRequest{"Negative", input(R"("name":"x","datatype":"UINT64","shape":[1],"data":[-1])"),
                   "range of UINT64"},
        BadRequest{"HalfAsJson", input(R"("name":"x","datatype":"FP16","shape":[1],"data":[1])"),
                   "use the binary data format"},
        BadRequest{"BoolAsNumber", input(R"("name":"x","datatype":"BOOL","shape":[1],"data":[1])"),
                   "non-boolean as boolean"},
        BadRequest{"BothForms", input(kBinary4 + R"(,"data":[1])"),
                   "But set 'data' 'binary_data_size'", "1234"},
        BadRequest{"BinaryTooLong", input(kBinary4), "unexpected additional input data", "12345"},
        BadRequest{"BinaryTooShort", input(kBinary4), "expecting 1 additional bytes", "123"},
        BadRequest{"BinaryMissing", input(kBinary4), "expecting 4 additional bytes"},
        BadRequest{
            "BinaryOverflow",
            input(kHead + R"("shape":[4611686018427387905],"parameters":{"binary_data_size":0})"),
            "too many elements"},
        BadRequest{"NegativeSize",
                   input(kHead + R"("shape":[1],"parameters":{"binary_data_size":-4})"),
                   "'binary_data_size'", "1234"},
        BadRequest{"NullParameter", R"({"parameters":{"a":null},"inputs":[]})", "'a'"},
        BadRequest{"ArrayParameter", R"({"parameters":{"a":[]},"inputs":[]})", "'a'"},
        BadRequest{"SharedMemory",
                   input(kHead + R"("shape":[1],"parameters":{"shared_memory_region":"r"})"),
                   "shared_memory_byte_size"},
        BadRequest{
            "OutputsIsObject",
            R"({"inputs":[{"name":"x","datatype":"FP32","shape":[0],"data":[]}],"outputs":{}})",
            "'outputs'"}),
    [](const auto& info) { return std::string(info.param.name); });

const std::string kGood =
    R"({"id":"1","parameters":{"p":1.5,"q":true,"sequence_id":7},"inputs":[{"name":"x","datatype":)"
    R"("FP32","shape":[2,1],"data":[[1],[2e0]]},{"name":"s","datatype":"BYTES","shape":[1],"data":)"
    R"(["h\u00e4"]}],"outputs":[{"name":"y","parameters":{"binary_data":true}}]})";

TEST(InferRequest, EveryTruncationIsRefused) {
  EXPECT_EQ(error_of(kGood), "accepted");
  for (std::size_t length = 0; length < kGood.size(); ++length)
    EXPECT_NE(error_of(kGood.substr(0, length)), "accepted") << length;
}

TEST(InferRequest, NoFlippedByteCrashes) {
  int refused = 0;
  for (std::size_t at = 0; at < kGood.size(); ++at) {
    for (const char byte : {'\0', '"', '[', '}', ',', '9', '\x80', '\xff'}) {
      std::string hostile = kGood;
      hostile[at] = byte;
      refused += error_of(hostile) == "accepted" ? 0 : 1;
    }
  }
  EXPECT_GT(refused, 1000);
}

TEST(InferRequest, BinaryTensorsAreNotCopied) {
  const std::string json = input(kBinary4);
  const BodyBuffer body = body_of(json + "abcd");
  const ParsedInfer parsed = parse_infer(body.view(), json.size());
  EXPECT_EQ(static_cast<const void*>(parsed.request.inputs[0].data.data()),
            static_cast<const void*>(body.data() + json.size()));
  EXPECT_TRUE(parsed.storage.empty());
}

TEST(InferRequest, ZeroElementsAreATensor) {
  EXPECT_EQ(error_of(input(kHead + R"("shape":[0,3],"data":[])")), "accepted");
  EXPECT_EQ(error_of(input(kHead + R"("shape":[0],"parameters":{"binary_data_size":0})")),
            "accepted");
}

TEST(InferRequest, RawShapesComeFromTheModel) {
  const auto shape_of = [](std::vector<std::int64_t> shape, std::size_t bytes, bool batching) {
    engine::ModelMetadata model{"m", {"1"}, "", {{"x", engine::DataType::Fp32, shape}}, {}};
    const std::string body(bytes, '\0');
    return raw_infer(body, model, batching).request.inputs[0].shape;
  };
  using Shape = std::vector<std::int64_t>;
  EXPECT_EQ(shape_of({-1, -1, 2}, 24, true), (Shape{1, 3, 2}));
  EXPECT_EQ(shape_of({-1, 2}, 8, true), (Shape{1, 2}));
  EXPECT_EQ(shape_of({-1, 2}, 16, false), (Shape{2, 2}));
  EXPECT_THROW(shape_of({-1, -1}, 8, false), Error);
  EXPECT_THROW(shape_of({-1, 2}, 9, false), Error);
}

}  // namespace
}  // namespace jetcal::server
