// SPDX-License-Identifier: Apache-2.0
#include "jetcal/server/grpc_infer.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <inference_service.pb.h>

#include <cstring>

#include "jetcal/base/error.h"
#include "jetcal/server/detail/grpc_infer_call.h"
#include "tests/server/fake_backend.h"

namespace jetcal::server {
namespace {

using testing::HasSubstr;

template <typename T>
std::vector<T> values_of(const engine::TensorView& tensor) {
  std::vector<T> values(tensor.data.size() / sizeof(T));
  if (!values.empty()) std::memcpy(values.data(), tensor.data.data(), tensor.data.size());
  return values;
}

inference::ModelInferRequest request() {
  inference::ModelInferRequest message;
  message.set_model_name("m");
  message.set_id("i");
  auto* const input = message.add_inputs();
  input->set_name("x");
  input->set_datatype("FP32");
  input->add_shape(1);
  input->add_shape(2);
  return message;
}

std::string error_of(const inference::ModelInferRequest& message) {
  try {
    parse_grpc_infer(message.SerializeAsString());
  } catch (const Error& error) {
    return error.what();
  }
  return "accepted";
}

TEST(GrpcInfer, RawContentsStayWhereTheyAre) {
  inference::ModelInferRequest message = request();
  message.add_raw_input_contents("abcdefgh");
  message.add_outputs()->set_name("y");
  message.set_model_version("3");
  (*message.mutable_parameters())["priority"].set_uint64_param(2);
  (*message.mutable_parameters())["timeout"].set_int64_param(500);
  const std::string bytes = message.SerializeAsString();
  const ParsedInfer parsed = parse_grpc_infer(bytes);
  EXPECT_EQ(parsed.request.model, "m");
  EXPECT_EQ(parsed.request.version, "3");
  EXPECT_EQ(parsed.request.id, "i");
  EXPECT_EQ(parsed.request.priority, 2U);
  EXPECT_EQ(parsed.request.timeout_us, 500U);
  EXPECT_THAT(parsed.request.outputs, testing::ElementsAre("y"));
  const engine::TensorView& x = parsed.request.inputs.at(0);
  EXPECT_EQ(x.shape, (std::vector<std::int64_t>{1, 2}));
  const auto* const data = reinterpret_cast<const char*>(x.data.data());
  EXPECT_TRUE(data > bytes.data() && data < bytes.data() + bytes.size());
  EXPECT_EQ(std::string(data, x.data.size()), "abcdefgh");
}

TEST(GrpcInfer, TypedContentsOfEveryType) {
  const auto parse = [](const char* type, auto fill) {
    inference::ModelInferRequest message = request();
    message.mutable_inputs(0)->set_datatype(type);
    fill(*message.mutable_inputs(0)->mutable_contents());
    // The message must live as long as the views; the numbers are copied out by the caller.
    static std::string bytes;
    bytes = message.SerializeAsString();
    return parse_grpc_infer(bytes);
  };
  const auto ints = [](auto& contents) {
    contents.add_int_contents(-3);
    contents.add_int_contents(4);
  };
  const auto uints = [](auto& contents) {
    contents.add_uint_contents(3);
    contents.add_uint_contents(200);
  };
  EXPECT_EQ(values_of<std::int8_t>(parse("INT8", ints).request.inputs[0]),
            (std::vector<std::int8_t>{-3, 4}));
  EXPECT_EQ(values_of<std::int16_t>(parse("INT16", ints).request.inputs[0]),
            (std::vector<std::int16_t>{-3, 4}));
  EXPECT_EQ(values_of<std::int32_t>(parse("INT32", ints).request.inputs[0]),
            (std::vector<std::int32_t>{-3, 4}));
  EXPECT_EQ(values_of<std::uint8_t>(parse("UINT8", uints).request.inputs[0]),
            (std::vector<std::uint8_t>{3, 200}));
  EXPECT_EQ(values_of<std::uint32_t>(parse("UINT32", uints).request.inputs[0]),
            (std::vector<std::uint32_t>{3, 200}));
  EXPECT_EQ(values_of<std::int64_t>(
                parse("INT64", [](auto& contents) { contents.add_int64_contents(-(1LL << 40)); })
                    .request.inputs[0]),
            (std::vector<std::int64_t>{-(1LL << 40)}));
  EXPECT_EQ(values_of<float>(parse("FP32",
                                   [](auto& contents) {
                                     contents.add_fp32_contents(1.5F);
                                     contents.add_fp32_contents(-2);
                                   })
                                 .request.inputs[0]),
            (std::vector<float>{1.5F, -2}));
  EXPECT_EQ(
      values_of<double>(parse("FP64", [](auto& contents) { contents.add_fp64_contents(1e300); })
                            .request.inputs[0]),
      (std::vector<double>{1e300}));
  const ParsedInfer texts = parse("BYTES", [](auto& contents) {
    contents.add_bytes_contents("ab");
    contents.add_bytes_contents("");
  });
  const engine::TensorView& strings = texts.request.inputs[0];
  EXPECT_EQ(std::string(reinterpret_cast<const char*>(strings.data.data()), strings.data.size()),
            std::string("\2\0\0\0ab\0\0\0\0", 10));
}

TEST(GrpcInfer, AFullQueueRefusesWhatHasOnlyBegun) {
  FakeBackend backend;
  ServiceState state(backend, {});
  inference::ModelInferRequest message = request();
  message.set_model_name("echo");
  message.add_raw_input_contents(std::string(1000, 'x'));
  const std::string bytes = message.SerializeAsString();
  EXPECT_FALSE(detail::refuse_grpc_infer(state, bytes));
  backend.full = true;
  for (const std::size_t length : {std::size_t{6}, std::size_t{7}, std::size_t{50}, bytes.size()}) {
    const auto error = detail::refuse_grpc_infer(state, std::string_view(bytes).substr(0, length));
    ASSERT_TRUE(error) << length;
    EXPECT_EQ(error->code(), ErrorCode::ResourceExhausted);
  }
  EXPECT_FALSE(detail::refuse_grpc_infer(state, std::string_view(bytes).substr(0, 5)));
  message.set_model_version("4");
  EXPECT_FALSE(detail::refuse_grpc_infer(state, message.SerializeAsString()));
}

TEST(GrpcInfer, RefusesInTheWordsOfTriton) {
  EXPECT_EQ(error_of(request()),
            "unable to find data for input tensor 'x' for model 'm' in request.");
  inference::ModelInferRequest both = request();
  both.mutable_inputs(0)->mutable_contents()->add_fp32_contents(1);
  EXPECT_EQ(error_of(both), "accepted");  // the count is the engine's to check
  both.add_raw_input_contents("12345678");
  EXPECT_EQ(error_of(both),
            "contents field must not be specified when using raw_input_contents for 'x' for model "
            "'m'");
  inference::ModelInferRequest other = request();
  other.mutable_inputs(0)->mutable_contents()->add_int_contents(1);
  EXPECT_EQ(error_of(other),
            "unexpected explicit tensor data for input tensor 'x' for model 'm' of type 'INT32', "
            "expected datatype 'FP32'");
  inference::ModelInferRequest parameter = request();
  (*parameter.mutable_parameters())["priority"].set_string_param("high");
  EXPECT_THAT(error_of(parameter), HasSubstr("invalid value type for 'priority' parameter"));
  inference::ModelInferRequest type = request();
  type.mutable_inputs(0)->set_datatype("FP31");
  EXPECT_THAT(error_of(type), HasSubstr("'FP31' is invalid"));
  inference::ModelInferRequest half = request();
  half.mutable_inputs(0)->set_datatype("FP16");
  half.mutable_inputs(0)->mutable_contents();
  EXPECT_THAT(error_of(half), HasSubstr("only raw_input_contents"));
}

TEST(GrpcInfer, StopsReadingAtMoreThanAnyRequestHas) {
  const auto error_of_bytes = [](const std::string& bytes) -> std::string {
    try {
      parse_grpc_infer(bytes);
    } catch (const Error& error) {
      return error.what();
    }
    return "accepted";
  };
  const std::string broken("\x80", 1);  // found only by who reads to the end
  const auto many = [&](const std::string& field) {
    std::string bytes;
    for (int i = 0; i < 2000; ++i) bytes += field;
    return error_of_bytes(bytes + broken);
  };
  EXPECT_THAT(many(std::string("\x2a\0", 2)), HasSubstr("too many inputs"));
  EXPECT_THAT(many(std::string("\x32\0", 2)), HasSubstr("too many outputs"));
  EXPECT_THAT(many(std::string("\x3a\0", 2)), HasSubstr("too many inputs"));
  EXPECT_THAT(many(std::string("\x22\0", 2)), HasSubstr("too many parameters"));
  inference::ModelInferRequest message = request();
  for (int i = 0; i < 2000; ++i) message.mutable_inputs(0)->add_shape(1);
  EXPECT_THAT(error_of(message), HasSubstr("too many dimensions"));
}

TEST(GrpcInfer, EveryTruncationAndFlippedByteIsSurvived) {
  inference::ModelInferRequest message = request();
  message.mutable_inputs(0)->mutable_contents()->add_fp32_contents(1);
  message.mutable_inputs(0)->mutable_contents()->add_fp32_contents(2);
  (*message.mutable_parameters())["a"].set_double_param(1.5);
  message.add_outputs()->set_name("y");
  const std::string good = message.SerializeAsString();
  int refused = 0;
  const auto parse = [&](const std::string& bytes) {
    try {
      parse_grpc_infer(bytes);
    } catch (const Error& error) {
      EXPECT_TRUE(error.code() == ErrorCode::InvalidArgument ||
                  error.code() == ErrorCode::NotFound);
      ++refused;
    }
  };
  for (std::size_t length = 0; length < good.size(); ++length) parse(good.substr(0, length));
  for (std::size_t at = 0; at < good.size(); ++at) {
    for (const char byte : {'\0', '\1', '\x7f', '\x80', '\xff'}) {
      std::string hostile = good;
      hostile[at] = byte;
      parse(hostile);
    }
  }
  EXPECT_GT(refused, 50);
}

TEST(GrpcInfer, RepliesAreWhatTheCompiledStubsRead) {
  ParsedInfer parsed;
  parsed.request.id = "i";
  engine::InferReply reply{"m", "2", "i", {}};
  reply.outputs.push_back({"y", engine::DataType::Fp32, {1, 2}, std::vector<std::byte>(8)});
  reply.outputs.push_back({"z", engine::DataType::Int64, {0}, {}});
  const auto text_of = [](const GrpcMessage& message) {
    std::string text = message.head;
    for (const auto part : message.tail)
      text.append(reinterpret_cast<const char*>(part.data()), part.size());
    return text;
  };
  inference::ModelInferResponse unary;
  ASSERT_TRUE(unary.ParseFromString(text_of(make_grpc_reply(parsed, reply, GrpcReplyForm::Unary))));
  EXPECT_EQ(unary.model_name(), "m");
  EXPECT_EQ(unary.model_version(), "2");
  EXPECT_EQ(unary.id(), "i");
  ASSERT_EQ(unary.outputs_size(), 2);
  EXPECT_EQ(unary.outputs(0).datatype(), "FP32");
  EXPECT_EQ(unary.outputs(0).shape(1), 2);
  EXPECT_EQ(unary.raw_output_contents(0).size(), 8U);
  EXPECT_EQ(unary.raw_output_contents(1).size(), 0U);
  inference::ModelStreamInferResponse stream;
  ASSERT_TRUE(
      stream.ParseFromString(text_of(make_grpc_reply(parsed, reply, GrpcReplyForm::Stream))));
  EXPECT_TRUE(stream.infer_response().parameters().at("triton_final_response").bool_param());
  ASSERT_TRUE(stream.ParseFromString(text_of(make_grpc_stream_error("i", "wrong"))));
  EXPECT_EQ(stream.error_message(), "wrong");
  EXPECT_EQ(stream.infer_response().id(), "i");
}

}  // namespace
}  // namespace jetcal::server
