// SPDX-License-Identifier: Apache-2.0
#include "jetcal/client/client.h"

#include <gmock/gmock.h>

#include <cstdlib>
#include <filesystem>
#include <functional>
#include <nlohmann/json.hpp>

#include "jetcal/base/error.h"
#include "jetcal/base/files.h"
#include "jetcal/base/temporary_folder.h"
#include "tests/http/scripted_server.h"

namespace jetcal::client {
namespace {

using http::answer;
using http::answer_after;
using http::cut;
using http::hang_up;
using http::http_reply;
using http::ScriptedServer;
using http::Step;

using std::chrono::milliseconds;
using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;

constexpr const char* kBusy = R"({"error":"Exceeds maximum queue size"})";

ClientOptions quick(const ScriptedServer& server) {
  ClientOptions options;
  options.url = server.url();
  options.deadline = milliseconds(5000);
  options.retry = {4, milliseconds(5), milliseconds(20), 1};
  return options;
}

Error error_of(const std::function<void()>& action) {
  try {
    action();
  } catch (const Error& error) {
    return error;
  }
  ADD_FAILURE() << "nothing was thrown";
  return {ErrorCode::Internal, ""};
}

InferRequest one_number() {
  InferRequest request;
  request.model = "a b";
  request.inputs = {{"x", engine::DataType::Fp32, {1}, std::vector<std::byte>(4)}};
  return request;
}

const char* const kAnswer =
    R"({"model_name":"m","model_version":"1","outputs":[{"name":"y","datatype":"FP32","shape":[1],"data":[0.5]}]})";

double seconds_of(const std::function<void()>& action) {
  const auto begin = std::chrono::steady_clock::now();
  action();
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
}

TEST(Client, AsksAgainWhileItIsRefusedForNow) {
  ScriptedServer server(
      {answer(503, kBusy), answer(429, kBusy), answer(502, "<html>"), answer(200, kAnswer)});
  Client client(quick(server));
  const InferReply reply = client.infer(one_number());
  EXPECT_EQ(reply.output("y").data.size(), 4U);
  const ClientCounts counts = client.counts();
  EXPECT_EQ(counts.attempts, 4);
  EXPECT_EQ(counts.refused, 3);
  EXPECT_EQ(counts.requests, 1);
  EXPECT_GT(counts.paused_ms, 0);
  EXPECT_EQ(server.connections(), 1);
  EXPECT_THAT(server.requests().back(), HasSubstr("POST /v2/models/a%20b/infer HTTP/1.1"));
}

TEST(Client, WaitsAsLongAsTheServerAsks) {
  ScriptedServer server({answer(503, kBusy, "Retry-After: 1\r\n"), answer(200, "{}")});
  Client client(quick(server));
  EXPECT_GE(seconds_of([&] { client.server_metadata(); }), 1.0);
}

TEST(Client, DoesNotWaitBeyondItsDeadline) {
  for (const char* asked : {"60", "99999999999"}) {
    ScriptedServer server({answer(503, kBusy, "Retry-After: " + std::string(asked) + "\r\n")});
    Client client(quick(server));
    const double seconds = seconds_of([&] {
      const Error error = error_of([&] { client.server_metadata(); });
      EXPECT_EQ(error.code(), ErrorCode::Unavailable);
      EXPECT_THAT(error.what(), HasSubstr("(503): Exceeds maximum queue size"));
    });
    EXPECT_LT(seconds, 2.0);
    EXPECT_EQ(server.requests().size(), 1U) << asked;
  }
}

TEST(Client, SaysWhatTheServerSaidAndHowOftenItAsked) {
  ScriptedServer server({answer(503, kBusy)});
  Client client(quick(server));
  const Error error = error_of([&] { client.infer(one_number()); });
  EXPECT_EQ(error.code(), ErrorCode::Unavailable);
  EXPECT_THAT(error.what(), AllOf(HasSubstr(server.url()), HasSubstr("Exceeds maximum queue size"),
                                  HasSubstr("asked 5 times")));
}

TEST(Client, DoesNotRepeatWhatIsWrong) {
  const std::vector<std::pair<int, ErrorCode>> cases{{400, ErrorCode::InvalidArgument},
                                                     {401, ErrorCode::FailedPrecondition},
                                                     {403, ErrorCode::FailedPrecondition},
                                                     {404, ErrorCode::NotFound},
                                                     {413, ErrorCode::InvalidArgument},
                                                     {500, ErrorCode::Internal},
                                                     {501, ErrorCode::Unimplemented},
                                                     {504, ErrorCode::DeadlineExceeded},
                                                     {302, ErrorCode::Internal}};
  for (const auto& [status, code] : cases) {
    ScriptedServer server({answer(status, R"({"error":"no such thing"})")});
    Client client(quick(server));
    const Error error = error_of([&] { client.infer(one_number()); });
    EXPECT_EQ(error.code(), code) << status;
    EXPECT_THAT(error.what(), HasSubstr("(" + std::to_string(status) + "): no such thing"));
    EXPECT_EQ(server.requests().size(), 1U) << status;
  }
}

TEST(Client, RepeatsAnInferenceWhoseConnectionBreaks) {
  const std::string whole = http_reply(200, kAnswer);
  for (const Step& broken : {hang_up(), cut(whole.substr(0, 20)), cut(whole.substr(0, 90))}) {
    ScriptedServer server({broken, answer(200, kAnswer)});
    Client client(quick(server));
    EXPECT_EQ(client.infer(one_number()).model, "m");
    EXPECT_EQ(client.counts().broken, 1);
    EXPECT_EQ(server.requests().size(), 2U);
    EXPECT_EQ(server.requests()[0], server.requests()[1]);
  }
}

TEST(Client, DoesNotRepeatALoadThatMayHaveHappened) {
  for (const Step& step : {hang_up(), answer(503, kBusy)}) {
    ScriptedServer server({step, answer(200, "")});
    Client client(quick(server));
    EXPECT_EQ(error_of([&] { client.load("m"); }).code(), ErrorCode::Unavailable);
    EXPECT_EQ(server.requests().size(), 1U);
  }
}

TEST(Client, KeepsItsDeadlineWithASlowServer) {
  ScriptedServer server({answer_after(milliseconds(3000), kAnswer)});
  ClientOptions options = quick(server);
  options.deadline = milliseconds(200);
  Client client(options);
  const double seconds = seconds_of([&] {
    const Error error = error_of([&] { client.infer(one_number()); });
    EXPECT_EQ(error.code(), ErrorCode::DeadlineExceeded);
    EXPECT_THAT(error.what(), HasSubstr("200 ms"));
  });
  EXPECT_LT(seconds, 1.0);
  EXPECT_EQ(client.counts().attempts, 1);
}

TEST(Client, ReconnectsWhenAnIdleConnectionHasGone) {
  Step last = answer(200, "{}");
  last.close = true;
  ScriptedServer server({last, last, last});
  Client client(quick(server));
  for (int i = 0; i < 3; ++i) client.server_metadata();
  EXPECT_EQ(server.connections(), 3);
  EXPECT_EQ(client.counts().paused_ms, 0);
}

TEST(Client, SaysWhyNobodyCanBeReached) {
  std::string url;
  {
    const ScriptedServer gone({hang_up()});
    url = gone.url();
  }
  ClientOptions options;
  options.url = url;
  options.retry = {2, milliseconds(1), milliseconds(1), 1};
  Client client(options);
  const Error error = error_of([&] { client.load("m"); });
  EXPECT_EQ(error.code(), ErrorCode::Unavailable);
  EXPECT_THAT(error.what(),
              AllOf(HasSubstr("cannot ask the server " + url), HasSubstr("asked 3 times")));
}

TEST(Client, RefusesWhatIsNotTheProtocol) {
  const std::string tensor =
      R"({"outputs":[{"name":"y","datatype":"FP32","shape":[1],"parameters":{"binary_data_size":4}}]})";
  const std::string header =
      "Inference-Header-Content-Length: " + std::to_string(tensor.size()) + "\r\n";
  const std::vector<Step> cases{
      cut("this is no HTTP\r\n\r\n"),
      answer(200, "no JSON"),
      answer(200, "[]"),
      answer(200, R"({"outputs":[{"name":"y","datatype":"FP99","shape":[1],"data":[1]}]})"),
      answer(200, tensor + "abc", header),
      answer(200, tensor + "abcde", header),
      answer(200, "{}", "Inference-Header-Content-Length: 99\r\n"),
      answer(200, std::string(5000, ' '))};
  for (const Step& step : cases) {
    ScriptedServer server({step});
    ClientOptions options = quick(server);
    options.max_reply_bytes = 4000;
    Client client(options);
    const Error error = error_of([&] { client.infer(one_number()); });
    EXPECT_EQ(error.code(), ErrorCode::DataLoss) << step.reply << error.what();
    EXPECT_EQ(server.requests().size(), 1U);
  }
}

TEST(Client, SharesItsConnectionsBetweenThreads) {
  ScriptedServer server({answer_after(milliseconds(10), kAnswer)});
  ClientOptions options = quick(server);
  options.connections = 3;
  Client client(options);
  std::vector<std::thread> threads;
  std::atomic<int> good{0};
  for (int i = 0; i < 8; ++i) {
    threads.emplace_back([&] {
      for (int k = 0; k < 5; ++k) good += client.infer(one_number()).model == "m" ? 1 : 0;
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(good, 40);
  EXPECT_EQ(server.connections(), 3);
  EXPECT_EQ(server.most_at_once(), 3);
}

TEST(Client, WaitsForAFreeConnectionUntilTheDeadline) {
  ScriptedServer server({answer_after(milliseconds(700), kAnswer)});
  ClientOptions options = quick(server);
  options.deadline = milliseconds(900);
  Client client(options);
  std::thread other([&] { client.infer(one_number()); });
  std::this_thread::sleep_for(milliseconds(100));
  EXPECT_EQ(error_of([&] { client.infer(one_number()); }).code(), ErrorCode::DeadlineExceeded);
  other.join();
}

TEST(Client, SendsItsTokenAndReadsItAgainWhenItIsRefused) {
  const TemporaryFolder folder;
  const auto path = folder / "token";
  write_file(path, "first\n");
  ScriptedServer server({answer(200, "{}"), answer(401, "{}"), answer(200, "{}"),
                         answer(401, R"({"error":"who are you"})")});
  ClientOptions options = quick(server);
  options.token_file = path;
  Client client(options);
  client.server_metadata();
  write_file(path, "second");
  client.server_metadata();
  const auto requests = server.requests();
  ASSERT_EQ(requests.size(), 3U);
  EXPECT_THAT(requests[0], HasSubstr("Authorization: Bearer first\r\n"));
  EXPECT_THAT(requests[1], HasSubstr("Authorization: Bearer first\r\n"));
  EXPECT_THAT(requests[2], HasSubstr("Authorization: Bearer second\r\n"));
  const Error error = error_of([&] { client.server_metadata(); });
  EXPECT_EQ(error.code(), ErrorCode::FailedPrecondition);
  EXPECT_THAT(error.what(), AllOf(HasSubstr("who are you"), Not(HasSubstr("second"))));
  EXPECT_EQ(error_of([&] { client.live(); }).code(), ErrorCode::FailedPrecondition);
}

TEST(Client, TakesItsTokenFromTheEnvironment) {
  ::setenv("JETCAL_TEST_TOKEN", "of the environment", 1);
  ScriptedServer server({answer(200, "{}")});
  ClientOptions options = quick(server);
  options.token_environment = "JETCAL_TEST_TOKEN";
  EXPECT_EQ(error_of([&] { Client client(options); }).code(), ErrorCode::FailedPrecondition);
  ::setenv("JETCAL_TEST_TOKEN", "abc", 1);
  Client client(options);
  client.server_metadata();
  EXPECT_THAT(server.requests()[0], HasSubstr("Authorization: Bearer abc\r\n"));
  ::unsetenv("JETCAL_TEST_TOKEN");
  EXPECT_EQ(error_of([&] { Client again(options); }).code(), ErrorCode::FailedPrecondition);
  options.token_environment.clear();
  options.token_file = "/nowhere/token";
  EXPECT_EQ(error_of([&] { Client again(options); }).code(), ErrorCode::NotFound);
}

TEST(Client, LoadsAModelFromFilesOfItsOwn) {
  ScriptedServer server({answer(200, "")});
  Client client(quick(server));
  client.load("m", {R"({"max_batch_size":1})", {{"1/a", "M"}, {"1/b", "Ma"}, {"1/c", "Man\xff"}}});
  const std::string request = server.requests()[0];
  EXPECT_THAT(request, HasSubstr("POST /v2/repository/models/m/load "));
  EXPECT_EQ(nlohmann::json::parse(request.substr(request.find("\r\n\r\n"))),
            (nlohmann::json{{"parameters",
                             {{"config", R"({"max_batch_size":1})"},
                              {"file:1/a", "TQ=="},
                              {"file:1/b", "TWE="},
                              {"file:1/c", "TWFu/w=="}}}}));
}

TEST(Client, TellsWhetherAServerIsReady) {
  ScriptedServer server({answer(200, ""), answer(503, "{}"), answer(404, "{}")});
  Client client(quick(server));
  EXPECT_TRUE(client.live());
  EXPECT_FALSE(client.ready());
  EXPECT_FALSE(client.model_ready("m", "2"));
  EXPECT_THAT(server.requests()[2], HasSubstr("GET /v2/models/m/versions/2/ready "));
  EXPECT_EQ(client.counts().attempts, 3);
}

TEST(Client, NamesWhatIsWrongWithItsOptions) {
  const auto message = [](const std::function<void(ClientOptions&)>& change) {
    ClientOptions options;
    change(options);
    const Error error = error_of([&] { validate(options); });
    EXPECT_EQ(error.code(), ErrorCode::InvalidArgument);
    return std::string(error.what());
  };
  for (const char* url :
       {"", "ftp://a", "http://", "http:///v2", "https://a b", "127.0.0.1:8000"}) {
    EXPECT_THAT(message([&](auto& options) { options.url = url; }), HasSubstr("http://host:port"));
  }
  EXPECT_THAT(message([](auto& options) { options.tls.key = "k"; }), HasSubstr("certificate"));
  EXPECT_THAT(message([](auto& options) { options.connections = 0; }), HasSubstr("connections"));
  EXPECT_THAT(message([](auto& options) { options.retry.retries = -1; }), HasSubstr("retries"));
  EXPECT_THAT(message([](auto& options) { options.deadline = milliseconds(0); }),
              HasSubstr("deadline"));
  EXPECT_THAT(message([](auto& options) {
                options.token_file = "a";
                options.token_environment = "B";
              }),
              HasSubstr("token"));
}

}  // namespace
}  // namespace jetcal::client
