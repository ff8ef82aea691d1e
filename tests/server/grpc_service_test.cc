// SPDX-License-Identifier: Apache-2.0
#include "jetcal/server/grpc_service.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <condition_variable>
#include <future>
#include <mutex>
#include <thread>

#include "jetcal/base/error.h"
#include "jetcal/server/body_coding.h"
#include "jetcal/server/http_server.h"
#include "tests/server/h2_client.h"
#include "tests/server/raw_client.h"

namespace jetcal::server {
namespace {

using std::chrono::milliseconds;
using testing::ElementsAre;
using testing::HasSubstr;

constexpr std::size_t kMaxMessage = 200000;

class EchoHttp : public HttpHandler {
 public:
  BodyPlan plan_body(const HttpHead& head) override {
    if (head.path() == "/full") return {1000, 0, error_reply(503, "full")};
    return {1000, 0};
  }
  void handle(HttpRequest request, Responder responder) override {
    HttpReply reply;
    reply.headers.push_back({"X-Path", std::string(request.head.path())});
    reply.body = std::string(request.head.method) + " " + std::string(request.body.view());
    responder.send(std::move(reply));
  }
};

// Sends each message back, and "end" when the client has ended its side.
class EchoReader : public GrpcReader {
 public:
  explicit EchoReader(GrpcResponder responder) : responder_(std::move(responder)) {}
  void on_message(BodyBuffer message) override {
    if (message.view() == "stop") fail(ErrorCode::NotFound, "stopped");
    responder_.write({"<" + std::string(message.view()) + ">", {}, nullptr});
  }
  void on_end() override {
    responder_.write({"end", {}, nullptr});
    responder_.finish({});
  }

 private:
  GrpcResponder responder_;
};

class GrpcServiceTest : public testing::Test {
 protected:
  void SetUp() override {
    services_.set_max_message_bytes(kMaxMessage);
    services_.add_unary("/t.Echo/Echo",
                        [](const GrpcContext&, BodyBuffer message, GrpcResponder& responder) {
                          responder.reply({std::string(message.view()), {}, nullptr});
                        });
    services_.add_unary("/t.Echo/Throw", [](const GrpcContext&, BodyBuffer, GrpcResponder&) {
      fail(ErrorCode::InvalidArgument, "100 % w\xC3\xA4ng");
    });
    services_.add_unary("/t.Echo/Verbose", [](const GrpcContext&, BodyBuffer, GrpcResponder&) {
      std::string text;
      while (text.size() < 100000) text += "w\xC3\xA4ng ";
      fail(ErrorCode::InvalidArgument, text);
    });
    services_.add_unary(
        "/t.Echo/Look",
        [](const GrpcContext&, BodyBuffer message, GrpcResponder& responder) {
          responder.reply({std::string(message.view().substr(0, 3)), {}, nullptr});
        },
        [](std::string_view begun) -> std::optional<Error> {
          if (!begun.starts_with("no")) return std::nullopt;
          return Error(ErrorCode::ResourceExhausted, "full");
        });
    services_.add_unary("/t.Echo/Huge",
                        [](const GrpcContext&, BodyBuffer, GrpcResponder& responder) {
                          static const std::vector<std::byte> part(std::size_t{1} << 20U);
                          responder.reply({"", {4096, std::span(part)}, nullptr});
                        });
    services_.add_unary("/t.Echo/Drop", [](const GrpcContext&, BodyBuffer, GrpcResponder&) {});
    services_.add_unary("/t.Echo/Hold",
                        [this](const GrpcContext&, BodyBuffer, GrpcResponder& responder) {
                          const std::lock_guard lock(mutex_);
                          cancellation_ = responder.cancellation();
                          held_.push_back(std::move(responder));
                          arrived_.notify_all();
                        });
    services_.add_blocking("/t.Echo/Slow", [](const GrpcContext& context, std::string_view text) {
      std::this_thread::sleep_for(milliseconds(20));
      const std::string* const user = context.head.find("user");
      return (user == nullptr ? "" : *user) + std::string(text);
    });
    services_.add_stream("/t.Echo/Stream", [](const GrpcContext&, GrpcResponder responder) {
      return std::make_unique<EchoReader>(std::move(responder));
    });
  }
  void start(const HttpOptions& options = {}) {
    server_ = std::make_unique<HttpServer>(options, http_, &services_);
    server_->start();
  }
  void wait_for_held(std::size_t count) {
    std::unique_lock lock(mutex_);
    ASSERT_TRUE(
        arrived_.wait_for(lock, std::chrono::seconds(5), [&] { return held_.size() >= count; }));
  }
  void release(const std::string& text) {
    const std::lock_guard lock(mutex_);
    for (GrpcResponder& responder : held_) responder.reply({text, {}, nullptr});
    held_.clear();
  }
  bool cancelled() {
    for (int i = 0; i < 500; ++i) {
      {
        const std::lock_guard lock(mutex_);
        if (cancellation_->requested()) return true;
      }
      std::this_thread::sleep_for(milliseconds(10));
    }
    return false;
  }

  EchoHttp http_;
  std::mutex mutex_;
  std::condition_variable arrived_;
  std::vector<GrpcResponder> held_;
  std::shared_ptr<Cancellation> cancellation_;
  GrpcServices services_;
  std::unique_ptr<HttpServer> server_;
};

TEST_F(GrpcServiceTest, OnePortSpeaksHttp1Http2AndGrpc) {
  start();
  RawClient old(server_->port());
  EXPECT_EQ(old.ask(post_request("/a", "one")).body, "POST one");
  H2Client client(server_->port());
  const H2Reply& http = client.request("POST", "/b?c", "two");
  EXPECT_EQ(http.status(), 200);
  EXPECT_EQ(http.body, "POST two");
  EXPECT_EQ(http.header("x-path"), "/b");
  EXPECT_EQ(http.header("content-length"), "8");
  const H2Reply& head = client.request("HEAD", "/b");
  EXPECT_EQ(head.body, "");
  EXPECT_EQ(head.header("content-length"), "5");
  const H2Reply& call = client.call("/t.Echo/Echo", "three");
  EXPECT_EQ(call.status(), 200);
  EXPECT_EQ(call.header("content-type"), "application/grpc");
  EXPECT_THAT(H2Client::messages(call.body), ElementsAre("three"));
  EXPECT_EQ(call.trailers.at("grpc-status"), "0");
  EXPECT_EQ(server_->counters().grpc_calls, 1U);
}

TEST_F(GrpcServiceTest, AnOpeningThatComesInPiecesIsUnderstood) {
  start();
  RawClient bytes(server_->port());
  for (const char c : std::string("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")) {
    bytes.send({&c, 1});
    std::this_thread::sleep_for(milliseconds(1));
  }
  bytes.send(std::string("\0\0\0\4\0\0\0\0\0", 9));       // SETTINGS
  bytes.send(std::string("\0\0\2\7\0\0\0\0\0\0\0", 11));  // a GOAWAY that is too short
  EXPECT_TRUE([&] {
    while (!bytes.ended()) {
    }
    return true;
  }());
  RawClient put(server_->port());  // starts as the opening of HTTP/2 does
  put.send("P");
  std::this_thread::sleep_for(milliseconds(20));
  EXPECT_EQ(put.ask("UT /a HTTP/1.1\r\nHost: h\r\n\r\n").body, "PUT ");
}

TEST_F(GrpcServiceTest, MessagesOfAnySizeUpToTheLimitPass) {
  start();
  H2Client client(server_->port());
  for (const std::size_t size : {0UL, 1UL, 1023UL, 65536UL, kMaxMessage}) {
    const std::string message(size, 'm');
    const H2Reply& reply = client.call("/t.Echo/Echo", message);
    EXPECT_EQ(reply.grpc_status(), "0");
    EXPECT_THAT(H2Client::messages(reply.body), ElementsAre(message)) << size;
  }
  const H2Reply& large = client.call("/t.Echo/Echo", std::string(kMaxMessage + 1, 'm'));
  EXPECT_EQ(large.grpc_status(), "8");
  EXPECT_THAT(large.grpc_message(), HasSubstr("larger than max (200001 vs. 200000)"));
}

TEST_F(GrpcServiceTest, AReplyBeyondWhatGrpcCanSayEndsItsCallAlone) {
  start();
  H2Client client(server_->port());
  const H2Reply& huge = client.call("/t.Echo/Huge", "x");
  EXPECT_EQ(huge.grpc_status(), "8");
  EXPECT_THAT(huge.grpc_message(), HasSubstr("the reply of 4294967296 bytes is too large"));
  EXPECT_EQ(client.call("/t.Echo/Echo", "fine").grpc_status(), "0");
}

TEST_F(GrpcServiceTest, MessagesMayBeCutAnywhere) {
  start();
  H2Client client(server_->port());
  const std::int32_t id = client.open_grpc("/t.Echo/Echo");
  for (const char c : H2Client::framed("slowly")) client.send(id, {&c, 1});
  client.end(id);
  EXPECT_THAT(H2Client::messages(client.finish(id).body), ElementsAre("slowly"));
}

TEST_F(GrpcServiceTest, ErrorsAreStatusAndText) {
  start();
  H2Client client(server_->port());
  const H2Reply& thrown = client.call("/t.Echo/Throw", "x");
  EXPECT_EQ(thrown.status(), 200);
  EXPECT_EQ(thrown.grpc_status(), "3");
  EXPECT_EQ(thrown.grpc_message(), "100 %25 w%C3%A4ng");
  EXPECT_EQ(client.call("/t.Echo/Drop", "x").grpc_status(), "13");
  const H2Reply& verbose = client.call("/t.Echo/Verbose", "x");
  EXPECT_EQ(verbose.grpc_status(), "3");
  EXPECT_LT(verbose.grpc_message().size(), 5000U);
  EXPECT_TRUE(verbose.grpc_message().ends_with("..."));
  const H2Reply& method = client.call("/t.Echo/None", "x");
  EXPECT_EQ(method.grpc_status(), "12");
  EXPECT_THAT(method.grpc_message(), HasSubstr("unknown method /t.Echo/None"));
  EXPECT_THAT(client.call("/t.None/Echo", "x").grpc_message(), HasSubstr("unknown service"));
  EXPECT_EQ(client.call("/t.Echo/Echo", "x", {{"grpc-encoding", "br"}}).grpc_status(), "12");
  EXPECT_EQ(client.call("/t.Echo/Echo", "x", {{"grpc-timeout", "soon"}}).grpc_status(), "3");
}

TEST_F(GrpcServiceTest, MalformedCallsAreRefusedAndTheConnectionLives) {
  start();
  H2Client client(server_->port());
  const auto body = [&](std::string_view bytes) {
    const std::int32_t id = client.open_grpc("/t.Echo/Echo");
    if (!bytes.empty()) client.send(id, bytes);
    client.end(id);
    return client.finish(id);
  };
  EXPECT_EQ(body("").grpc_status(), "3");                              // no message
  EXPECT_EQ(body("\0\0").grpc_status(), "3");                          // half a prefix
  EXPECT_EQ(body(std::string("\0\0\0\0\5ab", 7)).grpc_status(), "3");  // half a message
  EXPECT_EQ(body(std::string("\2\0\0\0\1a", 6)).grpc_status(), "3");   // unknown flag
  EXPECT_EQ(body(H2Client::framed("a", true)).grpc_status(), "3");     // compressed by nothing
  EXPECT_EQ(body(H2Client::framed("a") + H2Client::framed("b")).grpc_status(), "3");
  EXPECT_EQ(client.call("/t.Echo/Echo", "fine").grpc_status(), "0");
}

TEST_F(GrpcServiceTest, CompressedMessagesAreExpandedAndAnsweredAlike) {
  start();
  H2Client client(server_->port());
  HttpReply packed;
  packed.body = std::string(5000, 'z');
  encode_reply(packed, BodyCoding::Gzip);
  const H2Client::Headers gzip{{"grpc-encoding", "gzip"},
                               {"grpc-accept-encoding", "identity,gzip"}};
  const std::int32_t id = client.open_grpc("/t.Echo/Echo", gzip);
  client.send(id, H2Client::framed(packed.body, true));
  client.end(id);
  const H2Reply& reply = client.finish(id);
  EXPECT_EQ(reply.grpc_status(), "0");
  EXPECT_EQ(reply.header("grpc-encoding"), "gzip");
  ASSERT_EQ(reply.body.at(0), '\1');
  BodyBuffer bytes;
  bytes.append(H2Client::messages(reply.body).at(0));
  EXPECT_EQ(decode_body(bytes, BodyCoding::Gzip, 10000, 0).view(), std::string(5000, 'z'));
  const std::int32_t broken = client.open_grpc("/t.Echo/Echo", gzip);
  client.send(broken, H2Client::framed("not gzip", true));
  client.end(broken);
  EXPECT_EQ(client.finish(broken).grpc_status(), "3");
}

TEST_F(GrpcServiceTest, StreamsGoBothWays) {
  start();
  H2Client client(server_->port());
  const std::int32_t id = client.open_grpc("/t.Echo/Stream");
  for (const std::string text : {"a", "b", "c"}) {
    client.send(id, H2Client::framed(text));
    client.read_until([&] {
      const auto got = H2Client::messages(client.replies[id].body);
      return !got.empty() && got.back() == "<" + text + ">";
    });
  }
  client.end(id);
  EXPECT_THAT(H2Client::messages(client.finish(id).body), ElementsAre("<a>", "<b>", "<c>", "end"));
  EXPECT_EQ(client.replies[id].grpc_status(), "0");
  const std::int32_t stopped = client.open_grpc("/t.Echo/Stream");
  client.send(stopped, H2Client::framed("stop"));
  EXPECT_EQ(client.finish(stopped).grpc_status(), "5");
}

TEST_F(GrpcServiceTest, BlockingMethodsDoNotHoldUpTheOthers) {
  start();
  H2Client client(server_->port());
  const std::int32_t slow = client.open_grpc("/t.Echo/Slow", {{"user", "me:"}});
  client.send(slow, H2Client::framed("text"));
  client.end(slow);
  client.call("/t.Echo/Echo", "quick");
  EXPECT_FALSE(client.replies[slow].closed);
  EXPECT_THAT(H2Client::messages(client.finish(slow).body), ElementsAre("me:text"));
}

TEST_F(GrpcServiceTest, TheDeadlineOfACallIsKeptByATimer) {
  start();
  H2Client client(server_->port());
  const auto begin = std::chrono::steady_clock::now();
  const H2Reply& reply = client.call("/t.Echo/Hold", "x", {{"grpc-timeout", "50m"}});
  const auto waited = std::chrono::steady_clock::now() - begin;
  EXPECT_EQ(reply.grpc_status(), "4");
  EXPECT_GE(waited, milliseconds(50));
  EXPECT_LT(waited, milliseconds(300));
  EXPECT_TRUE(cancelled());
  release("late");  // goes nowhere
  EXPECT_EQ(client.call("/t.Echo/Echo", "fine").grpc_status(), "0");
}

TEST_F(GrpcServiceTest, AResetOrALostConnectionCancels) {
  start();
  {
    H2Client client(server_->port());
    const std::int32_t id = client.open_grpc("/t.Echo/Hold");
    client.send(id, H2Client::framed("x"));
    client.end(id);
    wait_for_held(1);
    client.reset(id);
    EXPECT_TRUE(cancelled());
    EXPECT_EQ(client.call("/t.Echo/Echo", "fine").grpc_status(), "0");
    const std::int32_t other = client.open_grpc("/t.Echo/Hold");
    client.send(other, H2Client::framed("x"));
    client.end(other);
    wait_for_held(2);
  }
  EXPECT_TRUE(cancelled());
  release("late");
}

TEST_F(GrpcServiceTest, AConnectionThatIsGivenUpHoldsUpNoOther) {
  HttpOptions options;
  options.stall_timeout = milliseconds(2000);
  options.ping_interval = milliseconds(100);
  start(options);
  const auto hold = [](H2Client& client) {
    const std::int32_t id = client.open_grpc("/t.Echo/Hold");
    client.send(id, H2Client::framed("x"));
    client.end(id);
    return id;
  };
  H2Client dead(server_->port());  // answers no ping
  hold(dead);
  wait_for_held(1);
  std::promise<void> given_up;
  held_[0].cancellation()->on_request([&] {
    held_[0].finish({GrpcCode::Cancelled, "gone"});
    given_up.set_value();
  });
  std::this_thread::sleep_for(milliseconds(1000));
  H2Client other(server_->port());
  const std::int32_t id = hold(other);
  wait_for_held(2);
  given_up.get_future().wait();
  std::this_thread::sleep_for(milliseconds(20));
  const auto begin = std::chrono::steady_clock::now();
  held_[1].reply({"done", {}, nullptr});
  EXPECT_THAT(H2Client::messages(other.finish(id).body), ElementsAre("done"));
  EXPECT_LT(std::chrono::steady_clock::now() - begin, milliseconds(250));  // a look is at 500 ms
}

TEST_F(GrpcServiceTest, PingsAreAnswered) {
  start();
  H2Client client(server_->port());
  client.ping();
  client.read_until([&] { return client.pings == 1; });
}

TEST_F(GrpcServiceTest, DrainFinishesCallsAndSaysGoodbye) {
  start();
  H2Client client(server_->port());
  const std::int32_t id = client.open_grpc("/t.Echo/Hold");
  client.send(id, H2Client::framed("x"));
  client.end(id);
  wait_for_held(1);
  std::thread stopping([this] { EXPECT_EQ(server_->stop(), 0U); });
  client.read_until([&] { return client.goaways == 2; });
  EXPECT_EQ(client.last_stream, id);
  EXPECT_FALSE(client.replies[id].closed);
  release("done");
  EXPECT_THAT(H2Client::messages(client.finish(id).body), ElementsAre("done"));
  stopping.join();
}

TEST_F(GrpcServiceTest, IdleConnectionsEnd) {
  HttpOptions options;
  options.idle_timeout = milliseconds(50);
  start(options);
  H2Client client(server_->port());
  EXPECT_EQ(client.call("/t.Echo/Echo", "x").grpc_status(), "0");
  client.read_until([&] { return client.gone; });
  EXPECT_EQ(client.goaways, 1);
}

TEST_F(GrpcServiceTest, SlowRequestsAreGivenUp) {
  HttpOptions options;
  options.stall_timeout = milliseconds(50);
  start(options);
  H2Client client(server_->port());
  const std::int32_t http = client.open("POST", "/a");
  client.send(http, "b");
  EXPECT_EQ(client.finish(http).status(), 408);
  const std::int32_t call = client.open_grpc("/t.Echo/Echo");
  EXPECT_EQ(client.finish(call).grpc_status(), "4");
  EXPECT_EQ(server_->counters().timeouts, 2U);
}

TEST_F(GrpcServiceTest, AStreamThatWasQuietHasItsTimeForTheNextAnswer) {
  HttpOptions options;
  options.stall_timeout = milliseconds(1000);
  start(options);
  H2Client client(server_->port());
  const std::int32_t quiet = client.open_grpc("/t.Echo/Stream");
  client.send(quiet, H2Client::framed("a"));
  const auto answers = [&] { return H2Client::messages(client.replies[quiet].body); };
  client.read_until([&] { return answers().size() == 1; });
  std::this_thread::sleep_for(milliseconds(1100));
  // A client that does not read lets no more than its first window out.
  const std::int32_t large = client.open_grpc("/t.Echo/Echo");
  client.send(large, H2Client::framed(std::string(kMaxMessage, 'm')));
  client.end(large);
  std::this_thread::sleep_for(milliseconds(50));
  client.send(quiet, H2Client::framed("b"));
  std::this_thread::sleep_for(milliseconds(600));
  client.read_until([&] { return answers().size() == 2; });
  EXPECT_THAT(answers(), ElementsAre("<a>", "<b>"));
}

TEST_F(GrpcServiceTest, LimitsOfHttpHoldOnHttp2) {
  start();
  H2Client client(server_->port());
  EXPECT_EQ(client.request("POST", "/a", std::string(1001, 'x')).status(), 413);
  EXPECT_EQ(client.request("GET", "/a", "", {{"big", std::string(40000, 'x')}}).status(), 431);
  EXPECT_EQ(client.request("GET", "/a").status(), 200);
  const H2Reply& head = client.request("HEAD", "/a", "", {{"big", std::string(40000, 'x')}});
  EXPECT_EQ(head.status(), 431);
  EXPECT_EQ(head.body, "");  // as every answer to HEAD
  const std::int32_t said = client.open("POST", "/a", {{"content-length", "1001"}});
  client.read_until([&] { return !client.replies[said].headers.empty(); });
  EXPECT_EQ(client.replies[said].status(), 413);
  EXPECT_EQ(server_->counters().bad_requests, 4U);
  EXPECT_EQ(head.reset, 0U);
}

TEST_F(GrpcServiceTest, AnswersThatNeedNoBodyDoNotWaitForIt) {
  start();
  H2Client client(server_->port());
  const std::int32_t http = client.open("POST", "/full", {{"content-length", "900"}});
  client.read_until([&] { return !client.replies[http].headers.empty(); });
  EXPECT_EQ(client.replies[http].status(), 503);
  const std::string large(100000, '.');
  const std::int32_t call = client.open_grpc("/t.Echo/Look");
  client.send(call, H2Client::framed("no" + large).substr(0, 30000));
  client.read_until([&] { return !client.replies[call].header("grpc-status").empty(); });
  EXPECT_EQ(client.replies[call].grpc_status(), "14");
  EXPECT_EQ(client.replies[call].grpc_message(), "full");
  client.send(call, large);
  client.end(call);
  for (const std::string& message : {"yes" + large, std::string("not")}) {
    const H2Reply& reply = client.call("/t.Echo/Look", message);
    EXPECT_EQ(reply.grpc_status(), "0");
    EXPECT_EQ(H2Client::messages(reply.body), std::vector{message.substr(0, 3)});
  }
}

TEST_F(GrpcServiceTest, ManyCallsAtOnceOnOneConnection) {
  start();
  H2Client client(server_->port());
  std::vector<std::int32_t> ids;
  for (int i = 0; i < 300; ++i) {
    ids.push_back(client.open_grpc("/t.Echo/Echo"));
    client.send(ids.back(), H2Client::framed(std::to_string(i)));
    client.end(ids.back());
  }
  for (int i = 0; i < 300; ++i)
    EXPECT_THAT(H2Client::messages(client.finish(ids[i]).body), ElementsAre(std::to_string(i)));
}

TEST_F(GrpcServiceTest, AMethodCanBeAddedOnce) {
  EXPECT_THROW(services_.add_blocking("/t.Echo/Echo", {}), Error);
}

}  // namespace
}  // namespace jetcal::server
