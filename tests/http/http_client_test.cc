// SPDX-License-Identifier: Apache-2.0
#include "jetcal/http/http_client.h"

#include <fcntl.h>
#include <gmock/gmock.h>

#include "jetcal/base/files.h"
#include "jetcal/base/temporary_folder.h"
#include "tests/http/scripted_server.h"

namespace jetcal::http {
namespace {

using std::chrono::milliseconds;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::StartsWith;

Request request_for(const ScriptedServer& server, const char* method = "GET") {
  Request request;
  request.method = method;
  request.url = server.url() + "/a%20name?x=1";
  return request;
}

TEST(HttpClient, SendsEveryMethodWithItsBodyOverOneConnection) {
  ScriptedServer server({answer(200, "found", "X-Kind: Jets \r\nRetry-After: 7\r\n")});
  const Client client;
  for (const char* method : {"POST", "PUT", "PATCH", "POST"}) {
    Request request = request_for(server, method);
    request.headers = {"X-Who: me"};
    request.body = "pt=30";
    const Answer reply = client.send(request);
    EXPECT_EQ(reply.failure, Failure::None) << reply.reason;
    EXPECT_EQ(reply.status, 200);
    EXPECT_EQ(reply.body, "found");
    EXPECT_EQ(reply.bytes, 5);
    EXPECT_EQ(reply.header("x-kIND"), "Jets");
    EXPECT_EQ(reply.header("x-kin"), "");
    EXPECT_EQ(reply.retry_after, std::chrono::seconds(7));
    const std::string sent = server.requests().back();
    EXPECT_THAT(sent, StartsWith(std::string(method) + " /a%20name?x=1 HTTP/1.1\r\n"));
    EXPECT_THAT(sent, HasSubstr("\r\nX-Who: me\r\n"));
    EXPECT_THAT(sent, testing::EndsWith("\r\n\r\npt=30"));
  }
  for (const char* method : {"GET", "DELETE", "POST"}) {
    EXPECT_EQ(client.send(request_for(server, method)).body, "found");
    EXPECT_THAT(server.requests().back(), StartsWith(std::string(method) + " /a%20name?x=1 "));
    EXPECT_THAT(server.requests().back(), testing::EndsWith("\r\n\r\n"));
  }
  EXPECT_THAT(server.requests().back(), HasSubstr("\r\nContent-Length: 0\r\n"));
  EXPECT_EQ(server.connections(), 1);
}

TEST(HttpClient, ASignatureDoesNotStayWithTheConnection) {
  ScriptedServer server({answer(200, "")});
  const Client client;
  client.send(request_for(server), {"key", "secret", "eu-1"});
  client.send(request_for(server));
  EXPECT_THAT(server.requests()[0], HasSubstr("\r\nAuthorization: AWS4-HMAC-SHA256 "));
  EXPECT_THAT(server.requests()[1], testing::Not(HasSubstr("Authorization")));
  EXPECT_EQ(server.connections(), 1);
}

TEST(HttpClient, AFreshRequestOpensAConnection) {
  ScriptedServer server({answer(200, "")});
  const Client client;
  Request request = request_for(server);
  client.send(request);
  request.fresh = true;
  EXPECT_EQ(client.send(request).status, 200);
  EXPECT_EQ(server.connections(), 2);
}

TEST(HttpClient, GivesUpABodyThatIsLongerThanAllowed) {
  ScriptedServer server({answer(200, "123456")});
  Request request = request_for(server);
  request.largest = 6;
  EXPECT_EQ(Client().send(request).failure, Failure::None);
  request.largest = 5;
  const Answer reply = Client().send(request);
  EXPECT_EQ(reply.failure, Failure::Malformed);
  EXPECT_THAT(reply.reason, HasSubstr("longer than 5 bytes"));
}

TEST(HttpClient, KeepsNoMoreOfABodyThanAskedFor) {
  ScriptedServer server({answer(403, std::string(1 << 20, 'x'))});
  Request request = request_for(server);
  request.most_kept = 5;
  const Answer reply = Client().send(request);
  EXPECT_EQ(reply.failure, Failure::None) << reply.reason;
  EXPECT_EQ(reply.body, "xxxxx");
  EXPECT_EQ(reply.bytes, 1 << 20);
}

TEST(HttpClient, BodiesComeFromFilesAndGoIntoThem) {
  const TemporaryFolder folder;
  write_file(folder / "out", "0123456789");
  ScriptedServer server({answer(200, ""), answer(200, "good"), answer(404, "no such jet")});
  const Client client;
  Request put = request_for(server, "PUT");
  put.source = ::open((folder / "out").c_str(), O_RDONLY);
  put.source_bytes = 8;
  EXPECT_EQ(client.send(put).status, 200);
  EXPECT_THAT(server.requests().back(), testing::EndsWith("\r\n\r\n01234567"));
  ::close(put.source);

  Request get = request_for(server);
  get.sink = ::open((folder / "in").c_str(), O_WRONLY | O_CREAT, 0600);
  Answer reply = client.send(get);
  EXPECT_EQ(reply.bytes, 4);
  EXPECT_THAT(reply.body, IsEmpty());
  reply = client.send(get);  // a refusal is told, not stored
  EXPECT_EQ(reply.status, 404);
  EXPECT_EQ(reply.body, "no such jet");
  ::close(get.sink);
  EXPECT_EQ(read_file(folder / "in"), "good");

  get.sink = ::open("/dev/full", O_WRONLY);
  ScriptedServer again({answer(200, "good")});
  get.url = again.url();
  reply = client.send(get);
  EXPECT_EQ(reply.disk_error, ENOSPC);
  EXPECT_EQ(reply.failure, Failure::Local);
  EXPECT_FALSE(reply.may_pass());
  ::close(get.sink);
}

TEST(HttpClient, SaysWhyNoWholeAnswerCame) {
  ScriptedServer server({cut("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf"),
                         cut("HTTP/1.1 200 OK\r\nContent-"), hang_up(), cut("no HTTP\r\n\r\n"),
                         answer_after(milliseconds(1000), "late")});
  const Client client;
  for (int i = 0; i < 2; ++i) {
    const Answer reply = client.send(request_for(server));
    EXPECT_TRUE(reply.truncated);
    EXPECT_EQ(reply.failure, Failure::Broken);
    EXPECT_TRUE(reply.may_pass());
  }
  Answer reply = client.send(request_for(server, "POST"));
  EXPECT_EQ(reply.status, 0);
  EXPECT_EQ(reply.failure, Failure::Broken);
  EXPECT_FALSE(reply.truncated);
  EXPECT_EQ(client.send(request_for(server)).failure, Failure::Malformed);
  Request hurried = request_for(server);
  hurried.limit = milliseconds(100);
  reply = client.send(hurried);
  EXPECT_THAT(reply.reason, HasSubstr("imed out"));
  EXPECT_EQ(reply.failure, Failure::TimedOut);
  EXPECT_TRUE(reply.may_pass());
}

TEST(HttpClient, AddressesNobodyAnswersAreNotWaitedFor) {
  std::string url;
  {
    const ScriptedServer gone({hang_up()});
    url = gone.url();
  }
  Request request;
  request.url = url;
  const Answer reply = Client().send(request);
  EXPECT_EQ(reply.failure, Failure::NotConnected);
  EXPECT_EQ(reply.reason, "Connection refused");
  EXPECT_TRUE(reply.may_pass());
  request.url = "file:///etc/passwd";
  EXPECT_FALSE(Client().send(request).may_pass());
}

TEST(HttpClient, SaysWhenNobodyCanBeTrusted) {
  ScriptedServer server({answer(200, "")});
  Request request = request_for(server);
  request.url.replace(0, 4, "https");
  EXPECT_EQ(Client({}, {"/nowhere/ca.pem"}).send(request).failure, Failure::NotTrusted);
  EXPECT_EQ(Client({}, {"", "/nowhere/a.pem", "/nowhere/a.key"}).send(request).failure,
            Failure::NotTrusted);
}

TEST(HttpClient, ARequestEndsWhenItIsToldToStop) {
  ScriptedServer server({answer_after(milliseconds(4000), "late")});
  const auto begin = std::chrono::steady_clock::now();
  const Client client([&] { return std::chrono::steady_clock::now() - begin > milliseconds(50); });
  EXPECT_EQ(client.send(request_for(server)).failure, Failure::Stopped);
  EXPECT_LT(std::chrono::steady_clock::now() - begin, milliseconds(3500));
}

}  // namespace
}  // namespace jetcal::http
