// SPDX-License-Identifier: Apache-2.0
#include "jetcal/server/oip_service.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <zlib.h>

#include <cmath>
#include <cstring>
#include <limits>

#include "jetcal/server/body_coding.h"
#include "tests/server/fake_backend.h"
#include "tests/server/raw_client.h"

namespace jetcal::server {
namespace {

using nlohmann::json;
using testing::HasSubstr;

std::string bytes_of(std::initializer_list<float> values) {
  std::string bytes(values.size() * sizeof(float), '\0');
  std::memcpy(bytes.data(), values.begin(), bytes.size());
  return bytes;
}

class OipServiceTest : public testing::Test {
 protected:
  OipServiceTest() : service_(backend_, {100000, 200000}), http_({}, service_) { http_.start(); }

  RawReply get(const std::string& target) {
    return RawClient(http_.port()).ask(get_request(target));
  }
  RawReply post(const std::string& target, const std::string& body,
                const std::string& headers = "") {
    return RawClient(http_.port()).ask(post_request(target, body, headers));
  }
  RawReply infer(const std::string& body, const std::string& headers = "") {
    return post("/v2/models/echo/infer", body, headers);
  }
  // Sends JSON followed by binary tensors.
  RawReply infer_binary(const std::string& header, const std::string& tensors,
                        const std::string& more = "") {
    return infer(header + tensors, "Inference-Header-Content-Length: " +
                                       std::to_string(header.size()) + "\r\n" + more);
  }

  FakeBackend backend_;
  OipService service_;
  HttpServer http_;
};

TEST_F(OipServiceTest, AnswersHealthWithJson) {
  EXPECT_EQ(get("/v2/health/live").body, "{\"live\":true}");
  EXPECT_EQ(get("/v2/health/ready").body, "{\"ready\":true}");
  EXPECT_EQ(get("/v2/models/echo/ready").body, "{\"name\":\"echo\",\"ready\":true}");
  EXPECT_EQ(get("/v2/models/echo/versions/3/ready").status, 200);
  EXPECT_EQ(get("/v2/models/broken/ready").status, 503);
  EXPECT_EQ(get("/v2/models/nobody/ready").status, 404);
  backend_.is_ready = false;
  EXPECT_EQ(get("/v2/health/ready").status, 503);
}

TEST_F(OipServiceTest, DescribesServerAndModels) {
  const json server = json::parse(get("/v2").body);
  EXPECT_EQ(server["name"], "jetcal");
  EXPECT_THAT(server["extensions"], testing::Contains("binary_tensor_data"));
  EXPECT_EQ(get("/v2/models").body, "{\"models\":[\"broken\",\"echo\"]}");
  const json metadata = json::parse(get("/v2/models/ech%6F").body);
  EXPECT_EQ(metadata["inputs"], json::parse(R"([{"name":"x","datatype":"FP32","shape":[-1,-1]}])"));
  EXPECT_EQ(json::parse(get("/v2/models/echo/config").body)["max_batch_size"], 8);
  const json statistics = json::parse(get("/v2/models/echo/stats").body)["model_stats"][0];
  EXPECT_EQ(statistics["inference_stats"]["success"]["ns"], 4000000);
  EXPECT_EQ(statistics["batch_stats"][0]["compute_infer"]["ns"], 400);
  EXPECT_EQ(json::parse(get("/v2/models/stats").body)["model_stats"].size(), 1U);
  const json index = json::parse(post("/v2/repository/index", "").body);
  EXPECT_EQ(index[0]["state"], "UNAVAILABLE");
  EXPECT_EQ(index[1]["state"], "READY");
  EXPECT_EQ(json::parse(post("/v2/repository/index", "{\"ready\":true}").body).size(), 1U);
  EXPECT_THAT(get("/metrics").body,
              HasSubstr("nv_inference_request_success{model=\"echo\",version=\"3\"} 4\n"));
}

TEST_F(OipServiceTest, KnowsItsPathsAndVerbs) {
  for (const char* path : {"/", "/v1", "/v2/", "/v2/health", "/v2/models/", "/v2/models/echo/",
                           "/v2/models/echo/versions/x", "/v2/models/echo/versions/3/ready/",
                           "/v2/models/echo/other", "/v2/models//infer", "*"}) {
    EXPECT_EQ(get(path).status, 404) << path;
  }
  EXPECT_EQ(get("/v2/models/nobody").status, 404);
  EXPECT_EQ(get("/v2/models/echo/versions/9").status, 404);
  EXPECT_EQ(get("/v2/models/echo/versions/9/stats").status, 404);
  EXPECT_EQ(get("/v2/models/echo/infer").headers.at("Allow"), "POST");
  EXPECT_EQ(post("/v2/health/live", "").status, 405);
  RawClient head(http_.port());
  head.send("HEAD /v2 HTTP/1.1\r\nHost: h\r\n\r\n");
  EXPECT_EQ(head.read(true).status, 405);
  EXPECT_EQ(post("/v2/repository/models/echo/load", "").status, 503);
  EXPECT_EQ(post("/v2/repository/models/echo/unload", "").status, 503);
}

TEST_F(OipServiceTest, InfersFromFlatAndNestedJson) {
  const std::string flat =
      R"({"id":"a\"b","extra":[null],"inputs":[{"data":[1,2.5,-3e2,4],"name":"x","shape":[2,2],"datatype":"FP32"}]})";
  EXPECT_EQ(infer(flat).body,
            R"({"id":"a\"b","model_name":"echo","model_version":"3","outputs":[{"name":"x",)"
            R"("datatype":"FP32","shape":[2,2],"data":[1,2.5,-300,4]}]})");
  const std::string nested =
      R"({"inputs":[{"name":"x","shape":[2,1,2],"datatype":"INT64","data":[[[1,2]],[[3,-4]]]},)"
      R"({"name":"b","shape":[2],"datatype":"BOOL","data":[true,false]},)"
      R"({"name":"s","shape":[1,2],"datatype":"BYTES","data":[["ä","z\n"]]}],"outputs":[]})";
  const json reply = json::parse(infer(nested).body);
  EXPECT_EQ(reply["outputs"][0]["data"], json::parse("[1,2,3,-4]"));
  EXPECT_EQ(reply["outputs"][1]["data"], json::parse("[true,false]"));
  EXPECT_EQ(reply["outputs"][2]["data"], json::parse(R"(["ä","z\n"])"));
  EXPECT_FALSE(reply.contains("id"));
}

TEST_F(OipServiceTest, PrintsTheShortestDigitsThatGiveTheFloatBack) {
  const RawReply reply =
      infer(R"({"inputs":[{"name":"x","shape":[2],"datatype":"FP32","data":[0.1,16777217]}]})");
  EXPECT_THAT(reply.body, HasSubstr("\"data\":[0.1,16777216]"));
}

TEST_F(OipServiceTest, MixesJsonAndBinaryBothWays) {
  const std::string header =
      R"({"inputs":[{"name":"a","shape":[1,2],"datatype":"FP32","parameters":{"binary_data_size":8}},)"
      R"({"name":"b","shape":[2],"datatype":"FP32","data":[3,4]},)"
      R"({"name":"c","shape":[1],"datatype":"FP32","parameters":{"binary_data_size":4}}],)"
      R"("parameters":{"binary_data_output":true},)"
      R"("outputs":[{"name":"c"},{"name":"b","parameters":{"binary_data":false}}]})";
  const RawReply reply = infer_binary(header, bytes_of({1, 2, 5}));
  ASSERT_EQ(reply.status, 200) << reply.body;
  EXPECT_EQ(reply.headers.at("Content-Type"), "application/octet-stream");
  const std::size_t length = std::stoul(reply.headers.at("Inference-Header-Content-Length"));
  const json document = json::parse(reply.body.substr(0, length));
  ASSERT_EQ(document["outputs"].size(), 2U);
  // The fake backend answers in the order of the inputs.
  EXPECT_EQ(document["outputs"][0]["data"], json::parse("[3.0,4.0]"));
  EXPECT_EQ(document["outputs"][1]["parameters"]["binary_data_size"], 4);
  EXPECT_EQ(reply.body.substr(length), bytes_of({5}));
  EXPECT_FALSE(backend_.misaligned);
}

TEST_F(OipServiceTest, ReadsTensorsWhereTheyArrivedWhateverTheJsonLength) {
  for (std::size_t spaces = 0; spaces < 16; ++spaces) {
    const std::string header =
        R"({"inputs":[{"name":"a","shape":[2],"datatype":"FP64","parameters":{"binary_data_size":16}}]})" +
        std::string(spaces, ' ');
    EXPECT_EQ(infer_binary(header, std::string(16, '\1')).status, 200);
  }
  EXPECT_FALSE(backend_.misaligned);
}

TEST_F(OipServiceTest, WritesNullForWhatIsNotFinite) {
  const float infinity = std::numeric_limits<float>::infinity();
  const RawReply reply = infer_binary(
      R"({"inputs":[{"name":"x","shape":[3],"datatype":"FP32","parameters":{"binary_data_size":12}}]})",
      bytes_of({1, std::nanf(""), -infinity}));
  EXPECT_THAT(reply.body, HasSubstr("\"data\":[1,null,null]"));
}

TEST_F(OipServiceTest, DeducesRawRequests) {
  const RawReply reply = infer(bytes_of({1, 2, 3}), "Inference-Header-Content-Length: 0\r\n");
  ASSERT_EQ(reply.status, 200) << reply.body;
  const std::size_t length = std::stoul(reply.headers.at("Inference-Header-Content-Length"));
  EXPECT_EQ(json::parse(reply.body.substr(0, length))["outputs"][0]["shape"], json::parse("[1,3]"));
  EXPECT_EQ(infer("12345", "Inference-Header-Content-Length: 0\r\n").status, 400);
  EXPECT_EQ(
      post("/v2/models/nobody/infer", "1234", "Inference-Header-Content-Length: 0\r\n").status,
      404);
}

TEST_F(OipServiceTest, MapsTheEnginesErrors) {
  const auto with_input = [](const std::string& name) {
    return R"({"inputs":[{"name":")" + name + R"(","shape":[1],"datatype":"FP32","data":[1]}]})";
  };
  EXPECT_EQ(infer(with_input("explode")).status, 500);
  EXPECT_EQ(infer(with_input("full")).body, "{\"error\":\"Exceeds maximum queue size\"}");
  EXPECT_EQ(infer(with_input("full")).status, 503);
  EXPECT_EQ(post("/v2/models/nobody/infer", with_input("x")).status, 404);
  EXPECT_EQ(post("/v2/models/echo/versions/7/infer", with_input("x")).status, 404);
}

TEST_F(OipServiceTest, AFullQueueRefusesBeforeALargeBodyIsRead) {
  backend_.full = true;
  const std::string large(20000, ' ');  // no request, which nobody finds out
  EXPECT_EQ(infer(large).status, 503);
  EXPECT_EQ(infer(large).body, "{\"error\":\"Exceeds maximum queue size\"}");
  EXPECT_EQ(post("/v2/models/echo/versions/3/infer", large).status, 503);
  EXPECT_EQ(infer("{}", "Expect: 100-continue\r\n").status, 503);
  EXPECT_EQ(infer("{}").status, 400);  // small ones are refused in the engine, in their turn
  EXPECT_EQ(post("/v2/models/nobody/infer", large).status, 400);
  EXPECT_EQ(post("/v2/repository/index", large).status, 400);
  backend_.full = false;
  EXPECT_EQ(infer(large).status, 400);
}

TEST_F(OipServiceTest, RefusesWrongLengthsOfTheJsonPart) {
  const std::string body = R"({"inputs":[]})";
  for (const char* length : {"-1", "1000", "text", "", "5 5", "1e3", "99999999999999999999"}) {
    const RawReply reply =
        infer(body, "Inference-Header-Content-Length: " + std::string(length) + "\r\n");
    EXPECT_EQ(reply.status, 400) << length;
    EXPECT_THAT(reply.body, HasSubstr("Inference-Header-Content-Length")) << length;
  }
  EXPECT_EQ(infer(std::string(150000, ' '), "Inference-Header-Content-Length: 120000\r\n").status,
            413);
  EXPECT_EQ(infer(std::string(150000, ' ')).status, 413);
  // Where no tensors are, the header allows no more.
  EXPECT_EQ(post("/v2/logging", std::string(150000, ' '), "Inference-Header-Content-Length: 0\r\n")
                .status,
            413);
}

TEST_F(OipServiceTest, CompressesBothWays) {
  const std::string plain = R"({"inputs":[{"name":"x","shape":[1],"datatype":"FP32","data":[1]}]})";
  std::string packed(1000, '\0');
  uLongf size = packed.size();
  ASSERT_EQ(::compress(reinterpret_cast<Bytef*>(packed.data()), &size,
                       reinterpret_cast<const Bytef*>(plain.data()), plain.size()),
            Z_OK);
  packed.resize(size);
  const RawReply reply =
      infer(packed, "Content-Encoding: deflate\r\nAccept-Encoding: br, deflate;q=0.5\r\n");
  ASSERT_EQ(reply.status, 200) << reply.body;
  EXPECT_EQ(reply.headers.at("Content-Encoding"), "deflate");
  std::string unpacked(1000, '\0');
  size = unpacked.size();
  ASSERT_EQ(::uncompress(reinterpret_cast<Bytef*>(unpacked.data()), &size,
                         reinterpret_cast<const Bytef*>(reply.body.data()), reply.body.size()),
            Z_OK);
  EXPECT_THAT(unpacked.substr(0, size), HasSubstr("\"data\":[1]"));
  EXPECT_EQ(infer(plain, "Content-Encoding: br\r\n").status, 415);
  EXPECT_EQ(infer(packed.substr(0, 10), "Content-Encoding: deflate\r\n").status, 400);
  HttpReply large;
  large.body = std::string(150000, ' ');
  encode_reply(large, BodyCoding::Gzip);
  const RawReply refused = infer(large.body, "Content-Encoding: gzip\r\n");
  EXPECT_EQ(refused.status, 413);
  EXPECT_THAT(refused.body, HasSubstr("larger than the limit of 100000 bytes"));
}

TEST_F(OipServiceTest, AnswersHealthWhileInferenceRuns) {
  backend_.hold = true;
  RawClient slow(http_.port());
  slow.send(post_request("/v2/models/echo/infer",
                         R"({"inputs":[{"name":"x","shape":[1],"datatype":"FP32","data":[7]}]})"));
  ASSERT_TRUE(backend_.wait_for_held());
  EXPECT_EQ(get("/v2/health/live").status, 200);
  RawClient gone(http_.port());
  gone.send(post_request("/v2/models/echo/infer",
                         R"({"inputs":[{"name":"x","shape":[1],"datatype":"FP32","data":[8]}]})"));
  gone.close();
  service_.begin_drain();
  EXPECT_EQ(get("/v2/health/ready").body, "{\"ready\":false}");
  EXPECT_EQ(infer("{}").status, 503);
  backend_.release();
  EXPECT_THAT(slow.read().body, HasSubstr("\"data\":[7]"));
}

TEST_F(OipServiceTest, ParsesLargeJsonOffTheInputThread) {
  std::string body = R"({"inputs":[{"name":"x","shape":[30000],"datatype":"INT32","data":[0)";
  for (int i = 1; i < 30000; ++i) body += "," + std::to_string(i % 10);
  body += "]}]}";
  body.insert(1, std::string(20000, ' '));
  const RawReply reply = infer(body);
  ASSERT_EQ(reply.status, 200) << reply.body;
  EXPECT_EQ(json::parse(reply.body)["outputs"][0]["data"].size(), 30000U);
}

TEST_F(OipServiceTest, ALoadThatFailsOddlyIsAnswered) {
  backend_.control = true;
  const RawReply reply = post("/v2/repository/models/unreadable/load", "");
  EXPECT_EQ(reply.status, 500);
  EXPECT_EQ(reply.body, "{\"error\":\"internal error: no such device\"}");
  EXPECT_EQ(post("/v2/repository/models/echo/load", "").status, 200);
}

TEST_F(OipServiceTest, ServesMetricsAndHealthOnAPortOfTheirOwn) {
  MetricsService metrics(service_);
  HttpServer server({}, metrics);
  server.start();
  EXPECT_THAT(RawClient(server.port()).ask(get_request("/metrics")).body,
              HasSubstr("# TYPE nv_inference_count counter"));
  EXPECT_EQ(RawClient(server.port()).ask(get_request("/v2/health/ready")).body, "{\"ready\":true}");
  EXPECT_EQ(RawClient(server.port()).ask(get_request("/v2")).status, 404);
}

}  // namespace
}  // namespace jetcal::server
