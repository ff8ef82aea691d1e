// SPDX-License-Identifier: Apache-2.0
#include "jetcal/server/http_server.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/resource.h>

#include <condition_variable>
#include <filesystem>
#include <mutex>
#include <thread>

#include "jetcal/base/error.h"
#include "tests/server/raw_client.h"

namespace jetcal::server {
namespace {

using std::chrono::milliseconds;
using testing::HasSubstr;

// Echoes "METHOD target body"; /hold waits for release(), /drop answers nothing, /align prints the
// alignment of the byte at offset 7, /turn the microseconds that it may take, /full needs no body.
class EchoHandler : public HttpHandler {
 public:
  BodyPlan plan_body(const HttpHead& head) override {
    if (head.path() == "/full") return {1000, 7, error_reply(503, "full")};
    return {1000, 7};
  }

  void handle(HttpRequest request, Responder responder) override {
    const std::string path(request.head.path());
    if (path == "/drop") return;
    if (path == "/align") {
      HttpReply reply;
      reply.body = std::to_string(reinterpret_cast<std::uintptr_t>(request.body.data() + 7) % 64);
      responder.send(std::move(reply));
      return;
    }
    if (path == "/turn") {
      HttpReply reply;
      reply.body = std::to_string(responder.turn() / std::chrono::microseconds(1));
      responder.send(std::move(reply));
      return;
    }
    HttpReply reply;
    reply.body = std::string(request.head.method) + " " + request.head.target + " " +
                 std::string(request.body.view());
    if (path != "/hold") {
      responder.send(std::move(reply));
      return;
    }
    const std::lock_guard lock(mutex_);
    cancelled_ = responder.cancellation();
    held_.emplace_back(std::move(responder), std::move(reply));
    arrived_.notify_all();
  }

  void wait_for_held(std::size_t count) {
    std::unique_lock lock(mutex_);
    ASSERT_TRUE(
        arrived_.wait_for(lock, std::chrono::seconds(5), [&] { return held_.size() >= count; }));
  }
  void release() {
    const std::lock_guard lock(mutex_);
    for (auto& [responder, reply] : held_) responder.send(std::move(reply));
    held_.clear();
  }
  bool cancelled() {
    const std::lock_guard lock(mutex_);
    return cancelled_->requested();
  }

 private:
  std::mutex mutex_;
  std::condition_variable arrived_;
  std::vector<std::pair<Responder, HttpReply>> held_;
  std::shared_ptr<Cancellation> cancelled_;
};

class HttpServerTest : public testing::Test {
 protected:
  void start(const HttpOptions& options = {}) {
    server_ = std::make_unique<HttpServer>(options, handler_);
    server_->start();
  }
  int port() const { return server_->port(); }
  template <typename Condition>
  static bool eventually(Condition condition) {
    for (int i = 0; i < 500; ++i) {
      if (condition()) return true;
      std::this_thread::sleep_for(milliseconds(10));
    }
    return false;
  }
  EchoHandler handler_;
  std::unique_ptr<HttpServer> server_;
};

TEST_F(HttpServerTest, ServesManyRequestsOnOneConnection) {
  start();
  RawClient client(port());
  for (int i = 0; i < 100; ++i) {
    const std::string target = "/echo/" + std::to_string(i);
    const RawReply reply = client.ask(post_request(target, "body"));
    EXPECT_EQ(reply.status, 200);
    EXPECT_EQ(reply.body, "POST " + target + " body");
    EXPECT_EQ(reply.headers.count("Connection"), 0U);
  }
  EXPECT_EQ(server_->counters().connections, 1U);
  EXPECT_EQ(server_->counters().requests, 100U);
}

TEST_F(HttpServerTest, AnswersPipelinedRequestsInOrder) {
  start();
  RawClient client(port());
  std::string requests;
  for (int i = 0; i < 2000; ++i) requests += post_request("/" + std::to_string(i), "x");
  requests.insert(0, get_request("/hold"));
  client.send(requests);
  handler_.wait_for_held(1);
  handler_.release();
  EXPECT_EQ(client.read().body, "GET /hold ");
  for (int i = 0; i < 2000; ++i) ASSERT_EQ(client.read().body, "POST /" + std::to_string(i) + " x");
}

TEST_F(HttpServerTest, GivesARequestThatComesAloneALongerTurn) {
  start();
  RawClient client(port());
  EXPECT_TRUE(eventually([&] {
    std::this_thread::sleep_for(milliseconds(10));  // the loop waits again
    client.send(get_request("/turn") + get_request("/turn"));
    const std::string first = client.read().body;
    EXPECT_EQ(client.read().body, "50");
    return first == "1000";
  }));
}

TEST_F(HttpServerTest, ServesWhileItStaysAwake) {
  HttpOptions options;
  options.busy_poll = std::chrono::microseconds(10000);
  start(options);
  RawClient first(port()), second(port());
  for (int i = 0; i < 100; ++i) {
    EXPECT_EQ(first.ask(get_request("/a")).body, "GET /a ");
    EXPECT_EQ(second.ask(get_request("/b")).body, "GET /b ");
  }
  first.send(get_request("/hold"));
  handler_.wait_for_held(1);
  handler_.release();
  EXPECT_EQ(first.read().body, "GET /hold ");
  EXPECT_EQ(server_->stop(), 0U);
}

TEST_F(HttpServerTest, RefusesToStayAwakeForLong) {
  HttpOptions options;
  options.busy_poll = std::chrono::seconds(1);
  EXPECT_THROW(start(options), Error);
}

TEST_F(HttpServerTest, ReadsRequestsSplitByteByByte) {
  start();
  RawClient client(port());
  const std::string request = post_request("/bytes", "0123456789", "X-Odd: v\r\n");
  for (const char byte : request + request) client.send({&byte, 1});
  EXPECT_EQ(client.read().body, "POST /bytes 0123456789");
  EXPECT_EQ(client.read().body, "POST /bytes 0123456789");
}

TEST_F(HttpServerTest, TakesHeadersUpToALimitAboveThatOfTheParser) {
  HttpOptions options;
  options.max_header_bytes = 200000;
  start(options);
  const auto with = [](std::size_t bytes) {
    return get_request("/h", "A: " + std::string(bytes, 'a') + "\r\n");
  };
  EXPECT_EQ(RawClient(port()).ask(with(150000)).body, "GET /h ");
  EXPECT_EQ(RawClient(port()).ask(with(210000)).status, 431);
}

TEST_F(HttpServerTest, JoinsChunkedBodies) {
  start();
  RawClient client(port());
  const std::string request =
      "POST /c HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n"
      "4\r\nabcd\r\n1;x=y\r\ne\r\n0\r\nTrailer: t\r\n\r\n";
  EXPECT_EQ(client.ask(request).body, "POST /c abcde");
  for (const char byte : request) client.send({&byte, 1});
  EXPECT_EQ(client.read().body, "POST /c abcde");
}

TEST_F(HttpServerTest, PutsTheChosenOffsetOnABoundary) {
  start();
  RawClient client(port());
  EXPECT_EQ(client.ask(post_request("/align", std::string(500, 'x'))).body, "0");
  EXPECT_EQ(client
                .ask("POST /align HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n3\r\n"
                     "abc\r\n0\r\n\r\n")
                .body,
            "0");
}

TEST_F(HttpServerTest, RefusesBodiesOverTheLimitBeforeReadingThem) {
  start();
  RawClient sized(port());
  sized.send(post_request("/", std::string(std::size_t{4} << 20, 'x')));  // the client goes on
  const RawReply reply = sized.read();
  EXPECT_EQ(reply.status, 413);
  EXPECT_THAT(reply.body, HasSubstr("{\"error\":\"the request body of 4194304 bytes is larger"));
  EXPECT_EQ(reply.headers.at("Connection"), "close");
  EXPECT_TRUE(sized.ended());

  RawClient chunked(port());
  std::string request = "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n";
  for (int i = 0; i < 11; ++i) request += "64\r\n" + std::string(100, 'x') + "\r\n";
  EXPECT_EQ(chunked.ask(request).status, 413);
  EXPECT_EQ(server_->counters().bad_requests, 2U);
}

TEST_F(HttpServerTest, RefusesHeadersOverTheLimit) {
  start();
  RawClient large(port());
  EXPECT_EQ(large.ask(get_request("/", "X: " + std::string(40000, 'y') + "\r\n")).status, 431);
  RawClient many(port());
  std::string headers;
  for (int i = 0; i < 200; ++i) headers += "A: b\r\n";
  EXPECT_EQ(many.ask(get_request("/", headers)).status, 431);
  RawClient long_target(port());
  EXPECT_EQ(long_target.ask(get_request("/" + std::string(40000, 'p'))).status, 431);
}

TEST_F(HttpServerTest, RefusesMalformedRequests) {
  start();
  for (const std::string& request :
       {std::string("NONSENSE / HTTP/1.1\r\n\r\n"), std::string("GET / HTTP/1.1\r\n\r\n"),
        std::string("GET / FTP/1.1\r\nHost: h\r\n\r\n"), std::string("\x16\x03\x01\x02\x00", 5),
        post_request("/", "x", "Transfer-Encoding: chunked\r\n"),
        post_request("/", "x", "Content-Length: 2\r\n"),
        std::string("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: -1\r\n\r\n"),
        std::string("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 99999999999999999999\r\n\r\n"),
        std::string("POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n")}) {
    RawClient client(port());
    const RawReply reply = client.ask(request);
    EXPECT_EQ(reply.status, 400) << request;
    EXPECT_THAT(reply.body, HasSubstr("{\"error\":\"")) << request;
    EXPECT_TRUE(client.ended()) << request;
  }
}

TEST_F(HttpServerTest, SaysContinueWhenAsked) {
  start();
  RawClient client(port());
  client.send("POST /e HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n");
  EXPECT_EQ(client.read(true).status, 100);
  client.send("ok");
  EXPECT_EQ(client.read().body, "POST /e ok");
  client.send(
      "POST /e HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\nContent-Length: 2000\r\n\r\n");
  EXPECT_EQ(client.read().status, 413);
  RawClient other(port());
  EXPECT_EQ(other.ask(post_request("/e", "x", "Expect: miracles\r\n")).status, 417);
}

TEST_F(HttpServerTest, DropsBodiesThatTheAnswerDoesNotNeed) {
  start();
  RawClient client(port());
  const std::string refused = post_request("/full", std::string(900, 'x'));
  for (int i = 0; i < 3; ++i) {
    const RawReply reply = client.ask(refused);
    EXPECT_EQ(reply.status, 503);
    EXPECT_EQ(reply.body, "{\"error\":\"full\"}");
    EXPECT_EQ(reply.headers.count("Connection"), 0U);
  }
  for (const char byte : refused) client.send({&byte, 1});
  EXPECT_EQ(client.read().status, 503);
  client.send(
      "POST /full HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n"
      "3\r\nabc\r\n0\r\n\r\n" +
      refused + post_request("/e", "ok"));
  EXPECT_EQ(client.read().status, 503);
  EXPECT_EQ(client.read().status, 503);
  EXPECT_EQ(client.read().body, "POST /e ok");
  EXPECT_EQ(server_->counters().connections, 1U);
  EXPECT_EQ(server_->counters().requests, 7U);
  client.send("POST /full HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n3e9\r\n" +
              std::string(1001, 'x') + "\r\n");
  EXPECT_EQ(client.read().status, 413);
  EXPECT_EQ(RawClient(port()).ask(post_request("/full", std::string(1001, 'x'))).status, 413);
}

TEST_F(HttpServerTest, RefusesAtOnceWhoAsksBeforeTheBody) {
  start();
  RawClient client(port());
  client.send(
      "POST /full HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\nContent-Length: 900\r\n\r\n");
  const RawReply reply = client.read();
  EXPECT_EQ(reply.status, 503);
  EXPECT_EQ(reply.headers.at("Connection"), "close");
}

TEST_F(HttpServerTest, AnswersHeadWithoutBody) {
  start();
  RawClient client(port());
  client.send("HEAD /h HTTP/1.1\r\nHost: h\r\n\r\n");
  EXPECT_EQ(client.read(true).headers.at("Content-Length"), "8");
  EXPECT_EQ(client.ask(get_request("/g")).body, "GET /g ");
}

TEST_F(HttpServerTest, ClosesWhenTheClientAsks) {
  start();
  RawClient close(port());
  EXPECT_EQ(close.ask(get_request("/", "Connection: close\r\n")).headers.at("Connection"), "close");
  EXPECT_TRUE(close.ended());
  RawClient old(port());
  EXPECT_EQ(old.ask("GET / HTTP/1.0\r\n\r\n").status, 200);
  EXPECT_TRUE(old.ended());
  RawClient half(port());
  half.send(get_request("/half"));
  half.half_close();
  EXPECT_EQ(half.read().body, "GET /half ");
  EXPECT_TRUE(half.ended());
}

TEST_F(HttpServerTest, IgnoresAnOfferToUpgrade) {
  start();
  RawClient client(port());
  const std::string offer = "Connection: Upgrade\r\nUpgrade: h2c\r\n";
  EXPECT_EQ(client.ask(get_request("/u", offer)).body, "GET /u ");
  EXPECT_EQ(client.ask(get_request("/u")).body, "GET /u ");
}

TEST_F(HttpServerTest, GivesUpOnSlowClients) {
  HttpOptions options;
  options.head_timeout = milliseconds(60);
  options.stall_timeout = milliseconds(60);
  options.idle_timeout = milliseconds(200);
  start(options);
  RawClient head(port());
  head.send("GET / HT");
  EXPECT_EQ(head.read().status, 408);
  RawClient body(port());
  body.send("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 10\r\n\r\nabc");
  EXPECT_EQ(body.read().status, 408);
  EXPECT_TRUE(body.ended());
  RawClient idle(port());
  EXPECT_EQ(idle.ask(get_request("/")).status, 200);
  EXPECT_TRUE(idle.ended());
  EXPECT_EQ(server_->counters().timeouts, 2U);
}

TEST_F(HttpServerTest, TellsTheHandlerThatTheClientHasGone) {
  start();
  RawClient client(port());
  client.send(get_request("/hold"));
  handler_.wait_for_held(1);
  EXPECT_FALSE(handler_.cancelled());
  client.close();
  EXPECT_TRUE(eventually([this] { return handler_.cancelled(); }));
  handler_.release();  // into a closed connection
  RawClient next(port());
  EXPECT_EQ(next.ask(get_request("/")).status, 200);
}

TEST_F(HttpServerTest, SurvivesClientsThatLeaveInTheMiddle) {
  start();
  const std::string request = post_request("/", std::string(600, 'x'));
  for (std::size_t length = 0; length < request.size(); length += 13) {
    const RawClient client(port());
    client.send(std::string_view(request).substr(0, length));
  }
  RawClient last(port());
  EXPECT_EQ(last.ask(request).status, 200);
}

TEST_F(HttpServerTest, LimitsConnections) {
  HttpOptions options;
  options.max_connections = 2;
  start(options);
  RawClient first(port());
  RawClient second(port());
  EXPECT_EQ(first.ask(get_request("/")).status, 200);
  EXPECT_EQ(second.ask(get_request("/")).status, 200);
  RawClient third(port());
  EXPECT_EQ(third.read(true).status, 503);
  first.close();
  EXPECT_TRUE(eventually([this] {
    RawClient fourth(port());
    return fourth.ask(get_request("/")).status == 200;
  }));
  EXPECT_GE(server_->counters().rejected_connections, 1U);
}

TEST_F(HttpServerTest, AnswersWhenTheHandlerForgets) {
  start();
  RawClient client(port());
  EXPECT_EQ(client.ask(get_request("/drop")).status, 500);
  EXPECT_EQ(client.ask(get_request("/next")).status, 200);
}

TEST_F(HttpServerTest, FinishesRequestsInFlightWhenItStops) {
  start();
  RawClient busy(port());
  RawClient idle(port());
  EXPECT_EQ(idle.ask(get_request("/")).status, 200);
  busy.send(get_request("/hold"));
  handler_.wait_for_held(1);
  std::size_t given_up = 99;
  std::thread stopper([&] { given_up = server_->stop(); });
  EXPECT_TRUE(eventually([this] {
    try {
      const RawClient late(port());
      return false;
    } catch (const std::runtime_error&) {
      return true;
    }
  }));
  EXPECT_EQ(idle.ask(get_request("/asked-while-draining")).headers.at("Connection"), "close");
  handler_.release();
  const RawReply reply = busy.read();
  stopper.join();
  EXPECT_EQ(reply.body, "GET /hold ");
  EXPECT_EQ(reply.headers.at("Connection"), "close");
  EXPECT_EQ(given_up, 0U);
}

TEST_F(HttpServerTest, GivesUpAfterTheDrainTime) {
  HttpOptions options;
  options.drain_timeout = milliseconds(50);
  start(options);
  RawClient client(port());
  client.send(get_request("/hold"));
  handler_.wait_for_held(1);
  EXPECT_EQ(server_->stop(), 1U);
  handler_.release();  // nobody is there to take it
}

TEST_F(HttpServerTest, SaysThatAPortIsInUse) {
  start();
  HttpOptions options;
  options.port = port();
  try {
    const HttpServer second(options, handler_);
    FAIL() << "two servers on one port";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::FailedPrecondition);
    EXPECT_THAT(error.what(), HasSubstr("port " + std::to_string(port()) + " on 127.0.0.1 is in"));
  }
  options.port = 70000;
  EXPECT_THROW(HttpServer(options, handler_), Error);
  options.port = 0;
  options.host = "no such host";
  EXPECT_THROW(HttpServer(options, handler_), Error);
}

TEST_F(HttpServerTest, ServesManyClientsOnSeveralThreads) {
  HttpOptions options;
  options.io_threads = 3;
  start(options);
  std::atomic<int> good{0};
  std::vector<std::thread> clients;
  for (int i = 0; i < 8; ++i) {
    clients.emplace_back([&] {
      RawClient client(port());
      for (int k = 0; k < 100; ++k)
        good += client.ask(post_request("/m", "x")).body == "POST /m x" ? 1 : 0;
    });
  }
  for (std::thread& client : clients) client.join();
  EXPECT_EQ(good.load(), 800);
}

TEST_F(HttpServerTest, AServerThatGetsTooFewDescriptorsLeavesNoneOpen) {
  const auto open_files = [] {
    const std::filesystem::directory_iterator files("/proc/self/fd");
    return std::distance(begin(files), end(files));
  };
  const auto before = open_files();
  const int lowest_free = ::open("/dev/null", O_RDONLY | O_CLOEXEC);
  ::close(lowest_free);
  rlimit limit{};
  ASSERT_EQ(::getrlimit(RLIMIT_NOFILE, &limit), 0);
  for (const rlim_t left : {rlim_t{1}, rlim_t{2}}) {  // a server takes three
    const rlimit few{static_cast<rlim_t>(lowest_free) + left, limit.rlim_max};
    ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &few), 0);
    EXPECT_THROW(HttpServer({}, handler_), Error);
    ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &limit), 0);
    EXPECT_EQ(open_files(), before) << left;
  }
}

}  // namespace
}  // namespace jetcal::server
